#include "base/status.h"

namespace kvswarm {

const char* to_string(StatusCode code) {
  switch (code) {
    case StatusCode::ok: return "ok";
    case StatusCode::failure: return "failure";
    case StatusCode::usage: return "usage";
    case StatusCode::not_found: return "not_found";
    case StatusCode::unauthorised: return "unauthorised";
    case StatusCode::conflict: return "conflict";
    case StatusCode::unavailable: return "unavailable";
    case StatusCode::moving: return "moving";
    case StatusCode::timed_out: return "timed_out";
    case StatusCode::corruption: return "corruption";
    case StatusCode::in_use: return "in_use";
    case StatusCode::newer_version: return "newer_version";
    case StatusCode::disk_full: return "disk_full";
    case StatusCode::interrupted: return "interrupted";
    case StatusCode::wrong_thread: return "wrong_thread";
  }
  return "failure";
}

int exit_code(StatusCode code) {
  switch (code) {
    case StatusCode::ok: return 0;
    case StatusCode::usage: return 2;
    case StatusCode::not_found: return 3;
    case StatusCode::unauthorised: return 4;
    case StatusCode::conflict: return 5;
    case StatusCode::unavailable:
    case StatusCode::moving:
    case StatusCode::timed_out: return 6;
    case StatusCode::corruption: return 7;
    case StatusCode::in_use:
    case StatusCode::newer_version: return 8;
    case StatusCode::disk_full: return 9;
    case StatusCode::interrupted: return 130;
    case StatusCode::failure:
    case StatusCode::wrong_thread: return 1;
  }
  return 1;
}

}  // namespace kvswarm
