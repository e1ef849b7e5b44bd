ebm_unit_test(test_store ebm-store)
ebm_unit_test(test_store_safety ebm-store)
ebm_unit_test(test_metrics ebm-store)
ebm_unit_test(test_vault ebm-store)
