ebm_unit_test(test_rng ebm-proto)
