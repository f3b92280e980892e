"""Which tests are long: left out of `pytest`, run by `pytest -m long`. Each feature is tried by something short too.

A line is a pattern of a test's name, `<file>::<test>[<parameters>]`; of a whole fixture where that is what takes long.
"""

import re

PATTERNS = [
    # faults: more kinds, and more kills, than one of each
    r"test_faults.py::test_survives\[(?!signals)",
    r"test_damage.py::test_survives",
    r"test_scaling_out.py::test_(survives|a_job_that_has_to_end.*(rest|10-timed)|ray|two_processes)",
    r"test_remote.py::test_",
    r"test_function.py::test_(changed_code_never|a_training_that_is_killed)",
    # devices, processes, other people's programs
    r"test_machine.py::test_(one_two_and_four.*reference|what_does_not_fit|devices_(run|that)|a_program_that_needs)",
    r"test_surroundings.py::test_(settings_called_harmless|a_training_works_in_somebody|what_rounds_differently)",
    r"test_own.py::test_(a_spec_names|a_model_without|a_sampler.*network)",
    r"test_cli.py::test_plot_writes.*(pdf|svg)",
    r"test_terminal.py::test_every_command.*-(?!ascii)",
    r"test_cli.py::test_bad_input.*(--sel|plot (of|at)|a picture|show of|a file to|no seeds)",
    # every way of every optimizer, beyond one each; float64 for hundreds of steps
    r"test_oracle.py::(.*float64-500|.*gd-sparse-linear|.*\[(gd|signgd|adam_paper)-dense|.*(gd|adam_paper|signgd)-plain|.*gd-gram)",
    r"test_optimizers.py::test_every_measurement_of_500_steps",
    r"test_fast.py::.*\[(gd-(sparse|gram|dense)|adam-dense|signgd-sparse|plain|gram|signgd|adam_paper|momentum)",
    r"test_fast.py::test_(any_optimizer|thousands|sparse_products|the_linear_model|many_filters|weights.*dense)",
    r"test_invariance.py::.*\[(gd-plain|gd-gram|gd-sparse|gd-dense|gd-two_layer_cnn)",
    r"test_training.py::test_(train_is_vmappable|numbers_seeds.*(plain|gram|dense|gd-sparse)|gd_with_a_huge)",
    r"test_batches.py::test_(one_batch_of_all|cut_anywhere|train_on_batches)",
    r"test_oracle.py::test_(best_iterate.*(plain|gram)|gradient_agrees.*linear|table_1_size|every_measurement_on_batches.*(gd|momentum))",
    r"test_fast.py::test_(seeds_and_sparsities|coordinates).*gd-span",
    r"test_invariance.py::test_(width.*adam-plain|permuting_lanes.*(signgd|adam_paper|momentum))",
    r"test_invariance.py::.*(signgd|adam_paper|momentum)-linear",
    r"test_network.py::test_a_lane_is_what",
    r"test_data.py::test_(sampling_is_vmappable|draws_of_one)",
    r"test_faults.py::test_survives_on_the_way_to_rest",
    r"test_machine.py::test_devices_change_no_bit_on_the_way",
    r"test_rest.py::test_whatever_runs_beside.*(dense|gram)",
    r"test_rest.py::test_(a_lane_that_comes_to_rest.*plain|lanes_that_run|reproduce_rest|t_fit.*sparse)",
    r"test_switch.py::test_steps_are.*reference",
    # the paper's own sizes, and whole experiments
    r"test_writing.py::test_a_new_sweep.*(rest|refine|optimizers|images|table1)",
    r"test_paper.py::test_(table_1|disjoint)",
    r"test_theorem42.py::test_(with_patches|the_patches_come)",
    r"test_lemmas.py::test_(signgd_does|filters_that_start_asleep.*\[(?!0.0-0.0)|watching)",
    r"test_closeness.py::test_with_shared",
    r"test_problem.py::test_a_model_added_by_the_recipe",
    r"test_theory.py::test_disjoint_probability_is_the_samplers",
    r"test_bench.py::test_the_engine_and_a_plain.*gd",
    r"test_(tang2025.py::test_adam_learns|baek2025.py::test_(verdicts|data_are)|kou2023.py::test_(a_summary|what_is_drawn))",
    r"test_(cao2022.py::test_their_network.*3|chen2023.py::test_(ends|coordinates)|vasudeva2025.py::test_what_gd)",
    # the GPU's kernels: one of each here
    r"test_cuda.py::test_sweeps.*\[(?!adam\])",
    r"test_cuda.py::test_(segments.*adam|a_lane_is.*gd|roots|a_coordinate|kernels_are_tried|lanes_come)",
    r"test_cuda.py::test_every_kernel_compiles.*\[(?!13-(80|90)-(adam|gd)\])",
    # the same for other files of a picture, other numbers of an interval
    r"test_transition.py::test_(intervals.*6|an_exponent.*0.[013]+\])",
    r"test_plot.py::test_the_numbers_lie",
]
FIXTURES = {
    ("test_lemmas.py", "reproduced"), ("test_figure1.py", "run"), ("test_theorem42.py", "folder"),
    ("test_accelerator.py", "finished"), ("test_closeness.py", "lanes"), ("test_exponents.py", "measured"),
}  # fmt: skip
COMPILED = [re.compile(pattern) for pattern in PATTERNS]


def is_long(nodeid, fixtures):
    """Whether a test is long, by its name and the fixtures that it asks for."""
    path, _, test = nodeid.partition("::")  # of which the test's parameters may have slashes as well
    file = path.rpartition("/")[2]
    name, asked = f"{file}::{test}", {(file, fixture) for fixture in fixtures}
    return bool(asked & FIXTURES) or any(pattern.search(name) for pattern in COMPILED)
