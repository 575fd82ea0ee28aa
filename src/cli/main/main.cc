#include "cli/commands.h"

// Read by jemalloc when the process starts: freed pages go back to the system within a second, by a thread of its own,
// so that a flush shows in the resident size.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";

int main(int argc, char** argv) { return akidb::RunMain(argc, argv); }
