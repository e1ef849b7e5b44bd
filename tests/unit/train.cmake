# The worker's body, as far as it needs no MPI.
ebm_unit_test(test_tree ebm-comm)
ebm_unit_test(test_opt ebm-train)
ebm_unit_test(test_toy ebm-train)
ebm_unit_test(test_data ebm-train)
ebm_unit_test(test_replay ebm-train)
ebm_unit_test(test_loss ebm-train)
ebm_unit_test(test_checkpoint ebm-train)
ebm_unit_test(test_hints ebm-train)
