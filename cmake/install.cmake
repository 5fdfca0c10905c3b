# `cmake --install`: program, library, headers, and what CMake and pkg-config need to find them.
include(CMakePackageConfigHelpers)

install(TARGETS kvswarm_program RUNTIME)
install(
  TARGETS kvswarm
  EXPORT kvswarm
  ARCHIVE
  LIBRARY)
install(DIRECTORY include/kvswarm TYPE INCLUDE)
install(FILES LICENSE TYPE DOC)
# Templates for an administrator, not a service that runs: their paths are those of a package.
install(DIRECTORY packaging/ DESTINATION ${CMAKE_INSTALL_DATADIR}/kvswarm)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kvswarm)
install(
  EXPORT kvswarm
  FILE kvswarmTargets.cmake
  NAMESPACE kvswarm::
  DESTINATION ${package_dir})
configure_package_config_file(cmake/kvswarmConfig.cmake.in generated/kvswarmConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change anything.
write_basic_package_version_file(generated/kvswarmConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/kvswarmConfig.cmake
              ${CMAKE_BINARY_DIR}/generated/kvswarmConfigVersion.cmake
              cmake/kvswarmDependencies.cmake DESTINATION ${package_dir})

# Relative, so that the installed tree may be moved.
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/kvswarm.pc.in generated/kvswarm.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/generated/kvswarm.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
