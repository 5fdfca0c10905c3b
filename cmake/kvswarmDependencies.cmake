# What the library links: read by its own build and by the programs that find it installed.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(sodium REQUIRED QUIET IMPORTED_TARGET libsodium)
pkg_check_modules(uv REQUIRED QUIET IMPORTED_TARGET libuv)
find_package(leveldb REQUIRED)
get_target_property(leveldb_type leveldb::leveldb TYPE)
if(leveldb_type STREQUAL SHARED_LIBRARY)
  # The shared library brings snappy itself; Debian's target asks for snappy's development files,
  # which its package does not depend on.
  set_target_properties(leveldb::leveldb PROPERTIES INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
