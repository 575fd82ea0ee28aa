/* The collector against everybody: any number of processes that flush, merge, pin, unpin, revert, drop and move the
 * boundary, each stalled for as long as it likes between any two steps, while objects and old versions are deleted.
 * README.md says which function each step stands for, what is left out, and why the reductions lose no behaviour.
 *
 * A delete is sent by whoever once read a version that dooms the object, and may arrive at any later time. So an
 * object counts as deleted from the moment when a delete may be on its way: a behaviour in which it arrives late
 * exists if and only if one exists in which it arrived at once. The same holds for the tombstones of old versions.
 *
 * A request for the version after the head either lands while the head is what it was built on, or never: building
 * and landing are one step. An object carries rows: a flush adds an object with a row of its own, a merge replaces
 * the objects that a version named by one.
 */
#ifndef VERSIONS /* at most 7 */
#define VERSIONS 6
#endif
#ifndef OBJECTS /* at most 6 */
#define OBJECTS 4
#endif
#define BIT(n) (1 << (n))

/* The head. Of an older version only what it names matters, and only while it may still be read. */
byte head = 1;
byte names[VERSIONS + 1] = 1; /* of each version, a set of objects */
byte pins;                    /* a set of versions */
byte boundary;                /* objects whose builder started below it, and that nothing names, are doomed */
bit dropped;

/* Objects are numbered as they are uploaded. The first one is in version 1. */
byte uploaded = 1;
byte start[OBJECTS];    /* the version that the builder saw */
byte rows[OBJECTS] = 1; /* a set */
byte inputs[OBJECTS];   /* of a merge's product: the objects it replaces */
byte waiting;           /* objects that no version has named yet: their committers may be stalled */
byte doomed;            /* objects for which a delete may be on its way */
byte retired;           /* versions that may be tombstones by now */
byte rows_expected = 1;
#ifdef MANIFEST_NAME_FREED
byte stalled; /* versions for which a request was sent whose sender heard nothing */
#endif
#ifdef DROPPED_ONLY_IN_THE_CATALOG
bit purged;
#endif
#ifdef PINS_READ_BEFORE_THE_COMMIT
byte garbage; /* what a collector found, and the version it found it in */
byte garbage_found;
#endif

/* Names for pan's messages; hidden: no part of the state. */
hidden byte I1_I2_head_has_each_row_once;
hidden byte I7_freed_name_profits_nobody;
hidden byte I8_what_the_head_names_is_not_deleted;
hidden byte I8_what_a_pinned_or_retained_version_names_is_not_deleted;
hidden byte I8_a_pinned_or_retained_version_is_no_tombstone;
hidden byte not_reached;
hidden byte named;
hidden byte was;
hidden byte i;

/* A version that the collector must count, and that may be read, pinned and reverted to. */
#define KEPT(v) ((v) >= 1 && (v) <= head && ((pins & BIT(v)) || ((v) >= boundary && !dropped)))

inline name_pinned() {
  named = names[head];
  for (i : 1 .. head) { named = ((pins & BIT(i)) -> named | names[i] : named) }
}
inline name_kept() {
  named = names[head];
  for (i : 1 .. head) { named = (KEPT(i) -> named | names[i] : named) }
}

inline doom(below) { /* all objects started below it and not named */
  for (i : 0 .. OBJECTS - 1) {
    doomed = (i < uploaded && start[i] < below && !(named & BIT(i)) -> doomed | BIT(i) : doomed)
  }
}

/* After every commit. What the new head dooms may be deleted from now on, by anybody who reads it, whenever. */
inline collect() {
#if defined(PURGE_IGNORES_PINS)
  name_kept();
  named = (dropped -> 0 : named);
#elif defined(RETAINED_VERSIONS_NOT_COUNTED)
  name_pinned();
#else
  name_kept();
#endif
  doom(boundary);
  for (i : 1 .. head) {
    if
    :: i < head && !KEPT(i) ->
      retired = retired | BIT(i);
#ifndef DOOMED_VERSION_PINNED
      names[i] = 0 /* never to be read again */
#endif
    :: else
    fi
  }
}

/* What the search must have come by, or it proves little. */
#define NEWLY_NAMED(o) ((names[head] & ~names[head - 1] & BIT(o)) && start[o] < boundary)
#if defined(WITNESS_CLONE_OUTLIVES_ITS_SOURCE)
#define WITNESS (dropped && named != 0 && doomed != 0)
#elif defined(WITNESS_UPLOAD_DOOMED_UNDER_A_STALLED_COMMITTER)
#define WITNESS ((waiting & doomed) != 0)
#elif defined(WITNESS_REVERT_TO_A_VERSION_BELOW_THE_BOUNDARY)
#define WITNESS (NEWLY_NAMED(0) || NEWLY_NAMED(1) || NEWLY_NAMED(2))
#elif defined(WITNESS_PINNED_VERSION_AMONG_TOMBSTONES)
#define WITNESS ((retired & BIT(1)) && !(retired & BIT(2)) && (retired & BIT(3)) && (pins & BIT(2)))
#else
#define WITNESS 0
#endif

inline check() {
  I8_what_the_head_names_is_not_deleted = ((names[head] & doomed) == 0);
  assert(I8_what_the_head_names_is_not_deleted);
  I8_a_pinned_or_retained_version_is_no_tombstone = 1;
  for (i : 1 .. head) {
    I8_a_pinned_or_retained_version_is_no_tombstone =
        I8_a_pinned_or_retained_version_is_no_tombstone && !(KEPT(i) && (retired & BIT(i)))
  }
  assert(I8_a_pinned_or_retained_version_is_no_tombstone);
  name_kept();
  I8_what_a_pinned_or_retained_version_names_is_not_deleted = ((named & doomed) == 0);
  assert(I8_what_a_pinned_or_retained_version_names_is_not_deleted);
  not_reached = !WITNESS;
  assert(not_reached)
}

inline add_rows(set, to) { /* every row once, or the assertion fails */
  for (i : 0 .. OBJECTS - 1) {
    if
    :: (set) & BIT(i) ->
      I1_I2_head_has_each_row_once = I1_I2_head_has_each_row_once && ((to) & rows[i]) == 0;
      to = to | rows[i]
    :: else
    fi
  }
}

inline begin() {
  head++;
  names[head] = names[head - 1]
}
inline end_commit() {
  was = 0;
  I1_I2_head_has_each_row_once = 1;
  add_rows(names[head], was);
  I1_I2_head_has_each_row_once = I1_I2_head_has_each_row_once && was == rows_expected;
  assert(I1_I2_head_has_each_row_once);
  collect();
  check();
  i = 0
}

inline upload(v) {
  start[uploaded] = v;
  rows[uploaded] = BIT(uploaded);
  waiting = waiting | BIT(uploaded);
  doomed = (v < boundary -> doomed | BIT(uploaded) : doomed);
  uploaded++
}
inline upload_merged(v) {
  inputs[uploaded] = names[v];
  upload(v);
  was = 0;
  add_rows(names[v], was);
  rows[uploaded - 1] = was;
  i = 0
}

#ifdef OLDER_THAN_THE_BOUNDARY_NAMED
#define YOUNG_ENOUGH(o) true
#else
#define YOUNG_ENOUGH(o) (start[o] >= boundary)
#endif
#ifdef INPUTS_NOT_CHECKED
#define INPUTS_NAMED(o) true
#else
#define INPUTS_NAMED(o) ((inputs[o] & ~names[head]) == 0)
#endif
#ifdef DOOMED_VERSION_PINNED
#define MAY_NAME(v) ((v) <= head) /* the pinner has read it before it was retired */
#else
#define MAY_NAME(v) KEPT(v)
#endif
#define MAY_COMMIT (head < VERSIONS && !dropped)

/* Of object o: its builder started from version v, long ago perhaps. */
#define BUILDING(v)                                                                                \
  :: d_step { uploaded < OBJECTS && !dropped && (v) <= head -> upload(v) }                         \
  :: d_step { uploaded < OBJECTS && !dropped && (v) <= head && (names[v] & (names[v] - 1)) != 0 -> \
       upload_merged(v) }
#define FLUSH_OR_MERGE(o)                                                                             \
  :: d_step { MAY_COMMIT && (waiting & BIT(o)) && YOUNG_ENOUGH(o) && INPUTS_NAMED(o) ->               \
       begin();                                                                                       \
       waiting = waiting & ~BIT(o);                                                                   \
       names[head] = (names[head] & ~inputs[o]) | BIT(o);                                             \
       rows_expected = rows_expected | rows[o];                                                       \
       end_commit() }
#define PIN_UNPIN_REVERT_BOUND(v)                                                                     \
  :: d_step { MAY_COMMIT && MAY_NAME(v) && !(pins & BIT(v)) ->                                        \
       begin(); pins = pins | BIT(v); end_commit() }                                                  \
  :: d_step { head < VERSIONS && (pins & BIT(v)) ->                                                   \
       begin(); pins = pins & ~BIT(v); end_commit() }                                                 \
  :: d_step { MAY_COMMIT && MAY_NAME(v) && names[v] != names[head] ->                                 \
       begin(); names[head] = names[v]; rows_expected = 0;                                            \
       I1_I2_head_has_each_row_once = 1; add_rows(names[head], rows_expected); end_commit() }         \
  :: d_step { MAY_COMMIT && (v) > boundary && (v) <= head ->                                          \
       begin(); boundary = v; end_commit() }

active proctype Anybody() {
end:
  do
  BUILDING(1)
  BUILDING(2)
  BUILDING(3)
  BUILDING(4)
  BUILDING(5)
#if VERSIONS > 6
  BUILDING(6)
#endif
  FLUSH_OR_MERGE(1)
  FLUSH_OR_MERGE(2)
#if OBJECTS > 3
  FLUSH_OR_MERGE(3)
#endif
#if OBJECTS > 4
  FLUSH_OR_MERGE(4)
#endif
#if OBJECTS > 5
  FLUSH_OR_MERGE(5)
#endif
  PIN_UNPIN_REVERT_BOUND(1)
  PIN_UNPIN_REVERT_BOUND(2)
  PIN_UNPIN_REVERT_BOUND(3)
  PIN_UNPIN_REVERT_BOUND(4)
  PIN_UNPIN_REVERT_BOUND(5)
#if VERSIONS > 6
  PIN_UNPIN_REVERT_BOUND(6)
#endif
  :: d_step { MAY_COMMIT -> /* drop */
       begin(); names[head] = 0; rows_expected = 0; boundary = head; dropped = 1; end_commit() }
#ifdef DELETED_BEFORE_THE_COMMIT
  :: d_step { /* a collector deletes what its head does not name, and commits the boundary afterwards */
       name_kept(); doom(head); check(); i = 0 }
#endif
#ifdef PINS_READ_BEFORE_THE_COMMIT
  :: d_step { garbage_found == 0 && !dropped -> /* found on one head ... */
       garbage_found = head;
       name_kept();
       garbage = 0;
       for (i : 0 .. OBJECTS - 1) {
         garbage = (i < uploaded && start[i] < head && !(named & BIT(i)) -> garbage | BIT(i) : garbage)
       }
       i = 0 }
  :: d_step { MAY_COMMIT && garbage_found > boundary -> /* ... deleted after a commit on another */
       begin(); boundary = garbage_found; doomed = doomed | garbage; end_commit() }
#endif
#ifdef MANIFEST_NAME_FREED
  :: d_step { head < VERSIONS && !(stalled & BIT(head + 1)) -> stalled = stalled | BIT(head + 1) }
  :: d_step { /* the name of a retired version is free: the request lands, and its sender believes that it won */
       (stalled & retired) != 0 -> I7_freed_name_profits_nobody = 0; assert(I7_freed_name_profits_nobody) }
#endif
#ifdef DROPPED_ONLY_IN_THE_CATALOG
  :: d_step { !purged -> /* everything that is not pinned now is deleted; the chain of versions does not know */
       purged = 1; named = 0;
       for (i : 1 .. head) { named = ((pins & BIT(i)) -> named | names[i] : named) }
       doom(head + 1); i = 0 }
#endif
  od
}
