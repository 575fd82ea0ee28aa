// The forwarder of writes on real sockets: kept-alive connections to other nodes.
//
// Threads: see WriteForwarder.
// Errors:  see WriteForwarder.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "objstore/s3/byte_stream.h"
#include "objstore/s3/uri.h"
#include "service/core/write_forwarder.h"

namespace akidb {

struct ForwarderOptions {
  // Short, because the writer is near, and one that does not answer must be noticed soon.
  Duration connect_timeout = std::chrono::seconds(1);
  Duration stall_timeout = std::chrono::minutes(2);  // deadlines of requests are shorter
  uint64_t answer_bytes_max = 64ull << 20;
};

std::unique_ptr<WriteForwarder> NewWriteForwarder(const s3::Endpoint& own, const ForwarderOptions& options,
                                                  std::unique_ptr<s3::Dialer> dialer);

// What server.advertise may be: an address that only this machine reaches, or any other with a secret. `port` is what
// the server listens on; an empty `advertise` means `listen_host` and that port.
Result<s3::Endpoint> AdvertisedEndpoint(std::string_view advertise, std::string_view listen_host, uint16_t port,
                                        std::string_view secret);

// "HOST-12345678" from the machine's name and the data directory: another for each node, and the same after a restart.
std::string DefaultNodeName(std::string_view host, std::string_view data_dir);

}  // namespace akidb
