// How a libuv handle and what its callbacks need live and die together (inside src/net only).
#pragma once

#include <uv.h>

#include <string>

#include "net/uv_loop.h"

namespace kvswarm::net {

// `Parts` has a libuv handle as `handle` and a `UvLoop* loop`, was made by `new`, and was announced
// by handle_opened(). It is deleted once libuv has let go of the handle.
template <class Parts>
void close_and_delete(Parts* parts) {
  parts->loop->handle_closing();
  auto* const handle = reinterpret_cast<uv_handle_t*>(&parts->handle);
  handle->data = parts;
  uv_close(handle, [](uv_handle_t* closed) {
    auto* const done = static_cast<Parts*>(closed->data);
    UvLoop* const loop = done->loop;
    delete done;
    loop->handle_closed();
  });
}

// unavailable, "what: why".
Status status_from_uv(int error, const std::string& what);

// The same for listening: in_use for an address that is taken, else failure.
Status listen_status_from_uv(int error, const std::string& what);

}  // namespace kvswarm::net
