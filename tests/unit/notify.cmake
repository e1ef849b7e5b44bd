# Telling: by commands, and by requests to a server of ours.
add_executable(post-taker ${CMAKE_SOURCE_DIR}/tests/support/post_taker.c)

ebm_unit_test(test_notify ebm-notify-ways)
add_dependencies(test_notify post-taker)
target_compile_definitions(test_notify PRIVATE POST_TAKER="$<TARGET_FILE:post-taker>")
