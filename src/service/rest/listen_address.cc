#include <boost/asio/ip/address.hpp>

#include "service/rest/http_server.h"

namespace akidb {

Status CheckListenAddress(const std::string& address) {
  if (address == "localhost") return OkStatus();
  boost::system::error_code error;
  const boost::asio::ip::address parsed = boost::asio::ip::make_address(address, error);
  if (error) return InvalidArgument("listen address \"" + address + "\" is not an IP address or localhost");
  if (parsed.is_loopback()) return OkStatus();
  return InvalidArgument("listen address " + address +
                         " can be reached from other machines, and this version has no authentication: "
                         "listen on 127.0.0.1 and put a proxy that authenticates in front")
      .WithReason("address_not_loopback");
}

}  // namespace akidb
