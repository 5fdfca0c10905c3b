// Whether this is built with ASan or TSan, which take memory and time of their own.
#pragma once

namespace kvswarm::test {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KVSWARM_IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KVSWARM_IS_SANITIZED 1
#endif
#ifdef KVSWARM_IS_SANITIZED
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

}  // namespace kvswarm::test
