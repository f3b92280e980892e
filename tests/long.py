"""Which tests are long: left out of `pytest`, run by `pytest -m long`. Each leaves one of its kind in the short set.

A line is a pattern of a test's name, `<file>::<test>[<parameters>]`; of a whole fixture where that is what takes long.
"""

import re

PATTERNS = [
    # faults: more kinds, and more kills, than one of each
    r"test_faults.py::test_survives\[(?!signals)",
    r"test_damage.py::test_survives\[(out_of_memory|rotten_checkpoints|full_disk|diverging_lane|bad_folders)",
    r"test_function.py::test_(changed_code|a_training_that_is_killed|a_training_is_named)",
    # devices, processes, other people's programs
    r"test_machine.py::test_(one_lane_can_be|compiled_programs|one_two_and_four|what_does_not_fit|devices_that_somebody)",
    r"test_machine.py::test_a_program_that_needs",
    r"test_surroundings.py::test_(settings_called_harmless|a_training_works|what_rounds_differently)",
    r"test_surroundings.py::test_a_sweep_in_a_hostile",
    r"test_own.py::test_(a_spec_names|a_model_without|a_sampler)",
    r"test_cli.py::test_(plot_of_one_axis|dry_run_can_measure|verify_finds|plot_writes.*(pdf|svg))",
    r"test_cli.py::test_bad_input.*(unknown value|unknown kind|unknown axis)",
    # every way of every optimizer, beyond one each; float64 for hundreds of steps
    r"test_oracle.py::(.*float64-500|test_table_1_size.*reference|.*gd-sparse-linear|.*(gd|adam_paper|signgd)-plain|.*gd-gram)",
    r"test_fast.py::.*\[(gd-(sparse|gram|dense)|adam-dense|signgd-sparse|plain|gram|signgd|adam_paper|momentum)",
    r"test_fast.py::test_(any_optimizer|thousands.*gd|sparse_products.*gd|the_linear_model.gd|many_filters.*gd)",
    r"test_invariance.py::.*\[(adam-plain|gd-plain|gd-gram|gd-span|gd-two_layer_cnn)",
    r"test_training.py::test_(train_is_vmappable|numbers_seeds.*(plain|gram|dense)|underfit|gd_with_a_huge)",
    r"test_batches.py::test_(one_batch_of_all.*\[(gd|momentum)|every_example|cut_anywhere|train_on_batches)",
    r"test_oracle.py::test_(best_iterate.*plain|train_is_the_lane|every_measurement_on_batches.*(gd|momentum))",
    r"test_fast.py::test_(seeds_and_sparsities.*gd-span|sparse_products.*adam)",
    r"test_invariance.py::test_width.*adam-sparse",
    r"test_network.py::test_a_lane_is_what",
    r"test_data.py::test_(sampling_is_vmappable|draws_of_one|random_order_is_a_perm|larger_s|ranks_beyond)",
    r"test_native.py::test_products",
    # the paper's own sizes, and whole experiments
    r"test_paper.py::",
    r"test_theorem42.py::test_with_patches",
    r"test_lemmas.py::test_(signgd_does|filters_that_start_asleep|watching)",
    r"test_closeness.py::test_(every_coordinate|with_shared)",
    r"test_theory.py::test_(the_command|disjoint_prob)",
    r"test_bench.py::",
    # the same for other files of a picture, other numbers of an interval
    r"test_transition.py::test_(intervals.*6|an_exponent.*0.03)",
    r"test_plot.py::test_(the_numbers_lie|pictures_change)",
    r"test_store.py::test_(static_axes|optimizers_with_lists|overwrite)",
    r"test_statistics.py::test_a_seed_counts",
]
FIXTURES = {
    ("test_lemmas.py", "reproduced"), ("test_figure1.py", "run"), ("test_theorem42.py", "folder"),
    ("test_accelerator.py", "finished"), ("test_exponents.py", "measured"), ("test_terminal.py", "swept"),
}  # fmt: skip
COMPILED = [re.compile(pattern) for pattern in PATTERNS]


def is_long(nodeid, fixtures):
    """Whether a test is long, by its name and the fixtures that it asks for."""
    name = nodeid.rpartition("/")[2]
    asked = {(name.partition("::")[0], fixture) for fixture in fixtures}
    return bool(asked & FIXTURES) or any(pattern.search(name) for pattern in COMPILED)
