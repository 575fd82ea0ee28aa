/* "Did my conditional write happen?": three committers on one chain of versions, with lost answers, requests that arrive
 * late, refusals, reads that deny what is there, and old versions turned into tombstones. README.md says which function
 * each step stands for and what is left out.
 *
 * Each committer wants to make CHANGES changes, one after the other; a version's content is how many changes of each
 * committer are in it. A verdict must be the truth, and every change must be made once.
 */
#ifndef VERSIONS /* at most 7 */
#define VERSIONS 5
#endif
#ifndef CHANGES /* at most 3 */
#define CHANGES 2
#endif
#define BIT(n) (1 << (n))
#define COUNT(content, c) (((content) >> (2 * (c))) & 3)
#define ONE_MORE(content, c) ((content) + (1 << (2 * (c))))

/* What a committer is at. */
#define IDLE 0
#define SENDING 1 /* the request is about to be sent, for the first time or again */
#define READING 2 /* no verdict: what has that version? */

byte head = 1;
byte content[VERSIONS + 1];
byte sent_by[VERSIONS + 1]; /* whose bytes: committer and variant, from 1 */
byte retired;               /* versions that are tombstones */

/* Requests that were sent without an answer: version (0: none), content, whose bytes. One a committer in the protocol;
 * a second one where a mutation sends other bytes for the same version. */
byte version_sent[6];
byte content_sent[6];
byte bytes_sent[6];

hidden byte I1_no_change_is_lost;
hidden byte I2_each_change_is_made_once;
hidden byte I6_one_winner_a_version;
hidden byte I6_verdict_is_the_truth;
hidden byte I6_refused_change_never_appears;
hidden byte I8_adopted_version_is_no_tombstone;
hidden byte not_reached;
hidden byte i;

inline land(v, new, by) {
  I6_one_winner_a_version = (v == head + 1);
  assert(I6_one_winner_a_version);
  head = v;
  sent_by[v] = by;
  content[v] = new;
  /* Built on its predecessor: it differs from it by one change. */
  I1_no_change_is_lost = (new - content[v - 1] == 1 || new - content[v - 1] == 4 || new - content[v - 1] == 16);
  assert(I1_no_change_is_lost)
}

#ifdef STORE_IGNORES_CONDITION
#define TAKES(v) ((v) <= VERSIONS)
#else
#define TAKES(v) ((v) == head + 1)
#endif

#define ARRIVES(r) :: d_step { version_sent[r] != 0 && TAKES(version_sent[r]) -> \
  land(version_sent[r], content_sent[r], bytes_sent[r]); version_sent[r] = 0; content_sent[r] = 0; bytes_sent[r] = 0 }
#define RETIRES(v) :: d_step { (v) < head && !(retired & BIT(v)) -> retired = retired | BIT(v) }

active proctype Network() {
end:
  do
  ARRIVES(0)
  ARRIVES(1)
  ARRIVES(2)
  ARRIVES(3)
  ARRIVES(4)
  ARRIVES(5)
  RETIRES(1)
  RETIRES(2)
  RETIRES(3)
#if VERSIONS > 4
  RETIRES(4)
#endif
#if VERSIONS > 5
  RETIRES(5)
#endif
#if VERSIONS > 6
  RETIRES(6)
#endif
  od
}

/* What follows is expanded in Committer and uses its variables. */
#define MY_BYTES (2 * me + variant + 1)

inline follow(v) {
  known = (retired & BIT(v) -> head : v);
  known_content = content[known]
}
inline rest() { /* nothing of a settled request is part of the state; copies on their way meet a taken name */
  mode = IDLE;
  try = 0;
  ambiguous = 0;
  variant = 0;
  for (i : 0 .. 5) {
    if
    :: version_sent[i] != 0 && version_sent[i] <= head -> version_sent[i] = 0; content_sent[i] = 0; bytes_sent[i] = 0
    :: else
    fi
  }
  i = 0
}
inline won() {
  I6_verdict_is_the_truth = (sent_by[known + 1] == MY_BYTES);
  assert(I6_verdict_is_the_truth);
  made++;
  I2_each_change_is_made_once = (COUNT(content[known + 1], me) == made);
  assert(I2_each_change_is_made_once);
#ifdef WITNESS_WON_AND_RETIRED
  not_reached = !(retired & BIT(known + 1));
  assert(not_reached);
#endif
#ifdef RETIRED_VERSION_ADOPTED
  known = known + 1;
  known_content = content[known];
#else
  follow(known + 1);
#endif
  I8_adopted_version_is_no_tombstone = !(retired & BIT(known));
  assert(I8_adopted_version_is_no_tombstone);
  rest()
}
inline lost() {
  I6_verdict_is_the_truth = ((sent_by[known + 1] - 1) / 2 != me);
  assert(I6_verdict_is_the_truth);
#ifdef WITNESS_LOST_AND_RETIRED
  not_reached = !(retired & BIT(known + 1));
  assert(not_reached);
#endif
  follow(known + 1);
  rest()
}
/* The request goes out and may arrive at any time. */
inline send_unanswered() {
  i = (version_sent[me] != 0 && bytes_sent[me] != MY_BYTES -> me + 3 : me);
  version_sent[i] = known + 1;
  content_sent[i] = try;
  bytes_sent[i] = MY_BYTES;
  i = 0
}

active [3] proctype Committer() {
  byte me = _pid - 1;
  byte mode;
  byte known = 1; /* the version this committer takes for the head */
  byte known_content;
  byte try; /* content of what it sends */
  byte made;
  bit ambiguous;
  bit variant; /* other bytes for the same version; always 0 in the protocol */

end:
  do
  :: d_step { mode == IDLE && made < CHANGES && known < VERSIONS ->
       try = ONE_MORE(known_content, me);
       mode = SENDING }
  /* --- PUT if absent --- */
  :: d_step { mode == SENDING && TAKES(known + 1) -> /* 200 */
       land(known + 1, try, MY_BYTES);
       won() }
  :: d_step { mode == SENDING && known < head -> /* 412 */
#ifdef TAKEN_MEANS_LOST
       lost()
#else
       ambiguous = 1;
       mode = READING
#endif
     }
  :: d_step { mode == SENDING -> /* no answer */
       send_unanswered();
       ambiguous = 1;
#ifdef TIMEOUT_MEANS_REFUSED
       mode = IDLE;
       variant = 1
#else
       mode = READING
#endif
     }
  :: d_step { mode == SENDING -> /* refused: this request has no effect, but an earlier one may have */
       if
#ifdef REFUSAL_BELIEVED_AFTER_A_TIMEOUT
       :: true ->
#else
       :: !ambiguous ->
#endif
         I6_refused_change_never_appears = (version_sent[me] != known + 1);
         assert(I6_refused_change_never_appears);
         rest()
       :: else -> mode = READING
       fi }
  /* --- GET of that version --- */
  :: d_step { mode == READING && known < head -> /* the version, or the tombstone that took its place */
#ifdef TOMBSTONE_MEANS_LOST
       if
       :: sent_by[known + 1] == MY_BYTES && !(retired & BIT(known + 1)) -> won()
       :: else -> lost()
       fi
#else
       if
       :: sent_by[known + 1] == MY_BYTES -> won()
       :: else -> lost()
       fi
#endif
     }
  :: d_step { mode == READING -> /* absent, whether true or not, or unreadable: again, the same bytes */
#if defined(ABSENCE_MEANS_REFUSED)
       I6_refused_change_never_appears = (version_sent[me] != known + 1 && sent_by[known + 1] != MY_BYTES);
       assert(I6_refused_change_never_appears);
       rest()
#else
#ifdef OTHER_BYTES_RESENT
       variant = 1;
#endif
       mode = SENDING
#endif
     }
  od
}
