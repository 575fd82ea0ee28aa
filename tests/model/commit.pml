/* Writers, fences and the log on a shared bucket: three processes, any of which may take over, stall for ever, forget
 * what it knew, or have its requests arrive at any later time. What must hold is asserted after every step that could
 * break it, so that one exhaustive search decides it. README.md says which function each step stands for, what is
 * left out, and why the reductions lose no behaviour.
 *
 * The network is a set of requests that were ever sent: each may arrive at any time, again and again, or never. That
 * is more than any network does; it makes lost answers, repetitions and requests of dead processes one thing.
 *
 * One record is one group is one object. The stream of an epoch has the names 1..RECORDS+1; its writer uses
 * 1..RECORDS, so that a fence always finds a name. The content of a manifest is, for each epoch, how many of its
 * records are in segments. In the protocol that is the epoch's watermark; the model goes on knowing it when the epoch
 * leaves the open list.
 */
#ifndef EPOCHS /* at most 4 */
#define EPOCHS 3
#endif
#ifndef RECORDS /* at most 3 */
#define RECORDS 2
#endif
#ifndef FORGETS /* times a process drops its memory and begins again with a new claim */
#define FORGETS 1
#endif

/* Epochs count from 0, sequences from 1; a set of sequences has bit s - 1 for s. */
#define SEQ(s) (1 << ((s)-1))
#define UP_TO(s) ((1 << (s)) - 1)
#define BELOW_TOO(set) ((set) | ((set) >> 1) | ((set) >> 2))
#define HIGHEST(set) ((set)&8 -> 4 : ((set)&4 -> 3 : ((set)&2 -> 2 : (set))))

/* Counts of records, two bits an epoch. */
#define COUNT(counts, e) (((counts) >> (2 * (e))) & 3)
#define ONE_MORE(counts, e) ((counts) + (1 << (2 * (e))))
#define OF_LATER_EPOCHS(counts, e) ((counts) >> (2 * ((e) + 1)))

/* A manifest: epoch, set of open epochs, counts. */
#define MANIFEST(epoch, open, counts) (((epoch) << 12) | ((open) << 8) | (counts))
#define EPOCH_OF(m) ((m) >> 12)
#define OPEN_IN(m) (((m) >> 8) & 15)
#define COUNTS_OF(m) ((m)&255)

/* What a process is. */
#define READER 0
#define FENCING 1
#define SERVING 2

short head = MANIFEST(0, 1, 0);
/* Of each stream: names taken by records and by fences, names for which a request was ever sent, records acknowledged. */
byte record[EPOCHS];
byte fence[EPOCHS];
byte record_sent[EPOCHS];
byte fence_sent[EPOCHS];
byte acked[EPOCHS];
#ifdef OTHER_BYTES_RESENT
byte other_bytes[EPOCHS]; /* names whose record is not the one that was sent first */
#endif
/* Of each process: its request for the version after the head, in flight, and one that it has forgotten and that may
 * still arrive (0: none). */
short try[3];
short forgotten[3];
#ifdef STORE_IGNORES_CONDITION_FOR_MANIFESTS
bit late[3]; /* the version was taken before the request arrived */
#endif
#ifdef UNUSED_STREAM_NOT_FENCED
byte served = 1; /* epochs whose process began to serve */
#endif
byte forgets;
bit second_moved;

/* Names for pan's messages; hidden: no part of the state. */
hidden byte I1_acknowledged_record_is_named_or_replayable;
hidden byte I1_acknowledged_bytes_are_the_stored_bytes;
hidden byte I2_record_is_applied_once;
hidden byte I2_older_record_never_over_newer;
hidden byte I2_refused_write_never_appears;
hidden byte I6_one_winner_a_version;
hidden byte I6_old_epoch_publishes_nothing;
hidden short arrived;
hidden byte freed;
hidden byte not_reached;

#define FREE(e, s) (((record[e] | fence[e]) & SEQ(s)) == 0)
#ifdef STORE_IGNORES_CONDITION
#define TAKES(e, s) 1
#else
#define TAKES(e, s) FREE(e, s)
#endif

/* I1: whoever opens the head finds every acknowledged record in a segment, or by walking an open epoch's stream
 * upwards from its watermark. */
#define PUBLISHED(e) UP_TO(COUNT(head, e))
#define KEPT(e)                                                  \
  ((BELOW_TOO(acked[e]) & ~(record[e] | PUBLISHED(e))) == 0 &&   \
   ((OPEN_IN(head) & (1 << (e))) || (acked[e] & ~PUBLISHED(e)) == 0))
#if EPOCHS == 2
#define ALL_KEPT (KEPT(0) && KEPT(1))
#elif EPOCHS == 3
#define ALL_KEPT (KEPT(0) && KEPT(1) && KEPT(2))
#else
#define ALL_KEPT (KEPT(0) && KEPT(1) && KEPT(2) && KEPT(3))
#endif
/* What the search must have come by, or it proves little. */
#define ALL_PUBLISHED(e) (acked[e] != 0 && (acked[e] & ~PUBLISHED(e)) == 0)
#if defined(WITNESS_EVERY_EPOCH_PUBLISHED)
#define WITNESS (EPOCH_OF(head) == 2 && ALL_PUBLISHED(0) && ALL_PUBLISHED(1) && ALL_PUBLISHED(2))
#elif defined(WITNESS_FIRST_TAKER_NEVER_SERVED)
#define WITNESS (EPOCH_OF(head) == 2 && ALL_PUBLISHED(0) && (fence[1] & SEQ(1)) && ALL_PUBLISHED(2))
#elif defined(WITNESS_FENCE_AT_A_TRIMMED_NAME)
#define WITNESS ((fence[0] & SEQ(1)) && COUNT(head, 0) >= 1)
#else
#define WITNESS 0
#endif

inline check_acknowledged() {
  I1_acknowledged_record_is_named_or_replayable = ALL_KEPT;
  assert(I1_acknowledged_record_is_named_or_replayable);
  not_reached = !WITNESS;
  assert(not_reached)
}

/* All other requests for this version have lost, for ever: a version's name is never free again (collect.pml). */
#ifdef STORE_IGNORES_CONDITION_FOR_MANIFESTS
#define LOSES(w) late[w] = (try[w] != 0)
#else
#define LOSES(w) try[w] = 0
#endif
inline others_lose() {
  LOSES(0);
  LOSES(1);
  LOSES(2);
  forgotten[0] = 0;
  forgotten[1] = 0;
  forgotten[2] = 0
}
inline land() {
  I6_old_epoch_publishes_nothing = (EPOCH_OF(arrived) >= EPOCH_OF(head));
  assert(I6_old_epoch_publishes_nothing);
  head = arrived;
  others_lose();
  check_acknowledged()
}

/* A forgotten manifest arrives. */
#define MANIFEST_ARRIVES(w) \
  :: d_step { forgotten[w] -> arrived = forgotten[w]; land() }

/* A log object arrives, or is deleted, because a manifest that was read back has its record. */
#define LOG_CHANGES(e, s)                                                                 \
  :: d_step { (record_sent[e] & SEQ(s)) && TAKES(e, s) && !(record[e] & SEQ(s)) ->        \
       put_record(e, s); check_acknowledged() }                                           \
  :: d_step { (fence_sent[e] & SEQ(s)) && TAKES(e, s) && !(fence[e] & SEQ(s)) ->          \
       put_fence(e, s); check_acknowledged() }                                            \
  :: d_step { !FREE(e, s) && DELETABLE(e, s) ->                                           \
       record[e] = record[e] & ~SEQ(s); fence[e] = fence[e] & ~SEQ(s); check_acknowledged() }
#define READ_BACK(e, s) (COUNT(head, e) >= (s))
#define IS_CLOSED(e) (!(OPEN_IN(head) & (1 << (e))))
#if defined(FENCE_TRIMMED)
#define DELETABLE(e, s) (READ_BACK(e, s) || IS_CLOSED(e))
#elif defined(FENCE_WALKED_PAST) /* "the highest object of a closed stream is its fence" */
#define DELETABLE(e, s) (READ_BACK(e, s) || (IS_CLOSED(e) && ((record[e] | fence[e]) >> (s)) != 0))
#else
#define DELETABLE(e, s) READ_BACK(e, s)
#define FENCES_STAY
#endif

inline put_record(e, s) {
  record[e] = record[e] | SEQ(s);
  fence[e] = fence[e] & ~SEQ(s)
}
inline put_fence(e, s) {
  fence[e] = fence[e] | SEQ(s);
  record[e] = record[e] & ~SEQ(s);
#ifdef FENCES_STAY
  if
  :: !READ_BACK(e, s) -> /* for ever: other requests for this name are no part of the state any more */
    record_sent[e] = record_sent[e] & ~SEQ(s);
    fence_sent[e] = fence_sent[e] & ~SEQ(s)
  :: else
  fi
#endif
}

#if RECORDS == 1
#define STREAM_CHANGES(e) LOG_CHANGES(e, 1) LOG_CHANGES(e, 2)
#elif RECORDS == 2
#define STREAM_CHANGES(e) LOG_CHANGES(e, 1) LOG_CHANGES(e, 2) LOG_CHANGES(e, 3)
#else
#define STREAM_CHANGES(e) LOG_CHANGES(e, 1) LOG_CHANGES(e, 2) LOG_CHANGES(e, 3) LOG_CHANGES(e, 4)
#endif

active proctype Network() {
end:
  do
  MANIFEST_ARRIVES(0)
  MANIFEST_ARRIVES(1)
  MANIFEST_ARRIVES(2)
  STREAM_CHANGES(0)
  STREAM_CHANGES(1)
#if EPOCHS > 2
  STREAM_CHANGES(2)
#endif
#if EPOCHS > 3
  STREAM_CHANGES(3)
#endif
#ifdef NEWER_STREAM_SWEPT
  /* a sweeper whose head is older does not find the newest epoch in its open list */
  :: d_step { record[EPOCH_OF(head)] != 0 -> record[EPOCH_OF(head)] = 0; check_acknowledged() }
#endif
  od
}

/* What follows is expanded in Writer and uses its variables. */

#ifdef STREAMS_FENCED_NEWEST_FIRST
#define STREAM (mine - 1 - f)
#else
#define STREAM f
#endif
inline forget() {
  if
  :: mode == FENCING -> fence_sent[STREAM] = fence_sent[STREAM] | SEQ(at) /* it may be on its way */
  :: else
  fi;
  mode = READER;
  mine = 0;
  open = 0;
  f = 0;
  at = 0;
  memory = 0;
  writing = 0;
  try[me] = 0
}
/* Goes to the next older open epoch at or after f, or begins to serve. */
inline next_stream() {
  do
  :: f < mine && !(open & (1 << STREAM)) -> f++
  :: else -> break
  od;
  if
  :: f == mine ->
    mode = SERVING;
#ifdef UNUSED_STREAM_NOT_FENCED
    served = served | (1 << mine);
#endif
    open = 0;
    f = 0;
    at = 0
#ifdef WATERMARKS_OF_THE_VERSION_OPENED
  :: else -> at = COUNT(opened, STREAM) + 1
#else
  :: else -> at = COUNT(memory, STREAM) + 1
#endif
  fi;
#ifndef NOT_LISTED
  listed = (mode == FENCING -> HIGHEST(record[STREAM] | fence[STREAM]) : 0)
#endif
}
inline land_try() {
  arrived = try[me];
#ifdef STORE_IGNORES_CONDITION_FOR_MANIFESTS
  I6_one_winner_a_version = !late[me];
  assert(I6_one_winner_a_version);
#endif
  try[me] = 0;
  land()
}
inline acknowledge(s) {
#ifdef WITNESS_LEFT_OUT_AND_GONE_ON /* a record that was published and never sent, and one in the log above it */
  not_reached = !((s) == 2 && (record[mine] & 2) && !((record[mine] | record_sent[mine]) & 1) && COUNT(head, mine) == 1);
  assert(not_reached);
#endif
#ifdef OTHER_BYTES_RESENT
  I1_acknowledged_bytes_are_the_stored_bytes = (((other_bytes[mine] & SEQ(s)) != 0) == other);
  assert(I1_acknowledged_bytes_are_the_stored_bytes);
#endif
#ifdef WITNESS_ACKNOWLEDGED_AFTER_A_TAKEOVER
  not_reached = !(EPOCH_OF(head) > mine && COUNT(head, mine) < (s));
  assert(not_reached);
#endif
#ifdef WITNESS_ACKNOWLEDGED_AT_A_TRIMMED_NAME /* the taker had published the record before its writer knew it won */
  not_reached = !freed;
  assert(not_reached);
#endif
  acked[mine] = acked[mine] | SEQ(s);
  check_acknowledged()
}
#define NEXT (COUNT(memory, mine) + 1)

#if defined(FLUSHED_BEFORE_REPLAY_ENDED)
#define MAY_FLUSH (mode >= FENCING && EPOCH_OF(head) == mine)
#elif defined(OLD_EPOCH_FLUSHES)
#define MAY_FLUSH (mode == SERVING)
#else
#define MAY_FLUSH (mode == SERVING && EPOCH_OF(head) == mine)
#endif

active [3] proctype Writer() {
  byte me = _pid - 1;
  byte mode = (_pid == 1 -> SERVING : READER); /* the first one created the collection: epoch 0 */
  byte mine;                                   /* the epoch taken */
  byte open;                                   /* open epochs in the manifest that took it */
  byte f;                                      /* the older epoch being fenced */
  byte at;                                     /* the name being tried in its stream */
  byte memory;                                 /* records applied: of the manifest, replayed, own */
  bit writing;
#ifndef NOT_LISTED
  byte listed; /* the highest name that a listing showed when the stream's turn came */
#endif
#ifdef OTHER_BYTES_RESENT
  bit other; /* what is sent is not what was sent first */
#endif
#ifdef WATERMARKS_OF_THE_VERSION_OPENED
  short opened;
  bit is_open;
#endif

end:
  do
  /* --- a reader takes over: commit first. The two that begin as readers are alike: the second never moves first. --- */
  :: d_step {
      mode == READER && try[me] == 0 && EPOCH_OF(head) < EPOCHS - 1 && (me != 2 || second_moved) ->
      second_moved = second_moved || me == 1;
      try[me] = MANIFEST(EPOCH_OF(head) + 1, OPEN_IN(head) | (2 << EPOCH_OF(head)), COUNTS_OF(head))
    }
  :: d_step { /* it is known to have won */
      mode == READER && try[me] != 0 ->
      land_try();
      mine = EPOCH_OF(arrived);
      open = OPEN_IN(arrived);
      memory = COUNTS_OF(arrived);
      mode = FENCING;
      next_stream()
    }
  /* --- then fence and replay each older open epoch --- */
#ifdef TIMEOUT_IS_ABSENCE
  :: d_step { /* no answer comes */
      mode == FENCING ->
      fence_sent[STREAM] = fence_sent[STREAM] | SEQ(at);
      f++;
      next_stream()
    }
#endif
  :: d_step { /* the answer; when the name is taken, the object there is read */
      mode == FENCING ->
      if
#ifndef NOT_LISTED
      :: FREE(STREAM, at) && at <= listed -> forget() /* a gap below what was listed: this process knows too little */
      :: TAKES(STREAM, at) && at > listed ->
#else
      :: TAKES(STREAM, at) ->
#endif
#if defined(UNUSED_STREAM_NOT_FENCED)
        if
        :: at == 1 && !(served & (1 << STREAM)) -> skip
        :: else -> put_fence(STREAM, at)
        fi;
#elif !defined(FENCE_SKIPPED)
        put_fence(STREAM, at);
#endif
        check_acknowledged();
        f++;
        next_stream()
      :: else ->
        if
#ifdef TAKEN_MEANS_FENCED
        :: true ->
#else
#ifdef FENCE_WALKED_PAST
        :: (fence[STREAM] & SEQ(at)) && at <= RECORDS -> at++
#endif
        :: fence[STREAM] & SEQ(at) ->
#endif
          f++;
          next_stream()
        :: else ->
          I2_record_is_applied_once = (at == COUNT(memory, STREAM) + 1);
          assert(I2_record_is_applied_once);
          I2_older_record_never_over_newer = (OF_LATER_EPOCHS(memory, STREAM) == 0);
          assert(I2_older_record_never_over_newer);
          fence_sent[STREAM] = fence_sent[STREAM] | SEQ(at); /* a copy of the request may be on its way */
          memory = ONE_MORE(memory, STREAM);
          at++
        fi
      fi
    }
  /* --- then serve: one group in flight --- */
  :: d_step {
      mode == SERVING && !writing && COUNT(memory, mine) < RECORDS ->
      writing = 1;
      record_sent[mine] = record_sent[mine] | SEQ(NEXT)
    }
#ifdef OTHER_BYTES_RESENT
  :: d_step { mode == SERVING && writing -> other = 1 }
#endif
#ifdef ACKNOWLEDGED_BEFORE_LOWER
  :: d_step { /* the next group is sent, lands and is answered first */
      mode == SERVING && writing && NEXT < RECORDS && FREE(mine, NEXT + 1) ->
      put_record(mine, NEXT + 1);
      freed = 0;
      acknowledge(NEXT + 1)
    }
#endif
  :: d_step { /* the answer, or the object read and compared */
      mode == SERVING && writing ->
      if
#ifdef TAKEN_MEANS_LOST
      :: !TAKES(mine, NEXT) ->
#else
      :: !TAKES(mine, NEXT) && (fence[mine] & SEQ(NEXT)) ->
#endif
        I2_refused_write_never_appears = ((fence[mine] & SEQ(NEXT)) != 0);
        assert(I2_refused_write_never_appears);
        forget()
      :: else ->
        if
        :: TAKES(mine, NEXT) ->
          freed = (COUNT(head, mine) >= NEXT);
          put_record(mine, NEXT);
#ifdef OTHER_BYTES_RESENT
          other_bytes[mine] = (other -> other_bytes[mine] | SEQ(NEXT) : other_bytes[mine]);
#endif
        :: else -> freed = 0
        fi;
        memory = ONE_MORE(memory, mine);
        writing = 0;
        acknowledge(COUNT(memory, mine));
#ifdef OTHER_BYTES_RESENT
        other = 0
#endif
      fi
    }
  /* --- publish all that was applied; older epochs leave the open list --- */
  :: d_step {
      MAY_FLUSH && try[me] == 0 && head != MANIFEST(mine, 1 << mine, memory) ->
      try[me] = MANIFEST(mine, 1 << mine, memory)
    }
#ifdef LEFT_OUT
  /* --- and with it one that nobody waits for in the log, whether or not it is on its way there --- */
  :: d_step {
      MAY_FLUSH && mode == SERVING && try[me] == 0 && COUNT(memory, mine) < RECORDS ->
      try[me] = MANIFEST(mine, 1 << mine, ONE_MORE(memory, mine));
#ifdef ACKNOWLEDGED_BEFORE_ITS_COMMIT
      acknowledge(NEXT);
#endif
#ifdef LEFT_OUT_BEFORE_ITS_COMMIT
      memory = ONE_MORE(memory, mine);
      writing = 0
#endif
    }
#endif
  :: d_step { /* it is known to have won: what only the manifest has is acknowledged by it, and never sent */
      mode != READER && try[me] != 0 ->
      land_try();
      if
      :: mode == SERVING && COUNT(arrived, mine) > COUNT(memory, mine) ->
        memory = ONE_MORE(memory, mine);
        writing = 0;
        acknowledge(COUNT(memory, mine))
      :: else
      fi
    }
  /* --- sees a later epoch, in whatever way --- */
  :: d_step { mode >= FENCING && EPOCH_OF(head) > mine -> forget() }
  /* --- crashes, or drops its memory; its requests go on --- */
  :: d_step {
      (mode != READER || try[me]) && forgets < FORGETS ->
      forgets++;
      forgotten[me] = (try[me] -> try[me] : forgotten[me]);
      forget()
    }
#ifdef WATERMARKS_OF_THE_VERSION_OPENED
  :: d_step {
      mode == READER && !is_open ->
      is_open = 1;
      opened = head
    }
#endif
  od
}
