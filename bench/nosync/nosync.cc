// LD_PRELOAD shim: a disk whose syncs cost nothing. It gives group commit its upper bound; never use it with data.
extern "C" {
int fsync(int /*fd*/) { return 0; }
int fdatasync(int /*fd*/) { return 0; }
}
