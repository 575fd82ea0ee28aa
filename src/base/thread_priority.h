// Which threads of a process the scheduler prefers. Background work and bulk writes run on threads that give way, so
// that a search which wakes up gets a processor at once.
//
// Threads: acts on the calling thread.
// Errors:  none; where the system refuses, all threads stay equal.
#pragma once

namespace akidb {

// From now on the calling thread, and those it will start, give way to the others of the process. They still get a
// tenth of a processor that others want all the time, so that what they hold is let go of soon. Cannot be undone:
// going back needs rights.
void GiveWayToOtherThreads();

// From now on the calling thread, which works for less than a millisecond at a time, takes the processor when it wakes
// up: by a short slice, for which it gets no more time than others do. Threads it will start inherit that.
void PreferShortSlices();

// From now on the calling thread, which works for microseconds at a time, takes the processor from any other when it
// wakes up: true if it is real-time, at the lowest priority (SCHED_FIFO, which needs CAP_SYS_NICE or RLIMIT_RTPRIO).
// Where that is refused it asks for short slices. Threads it will start do not inherit the first.
bool ComeFirst();

}  // namespace akidb
