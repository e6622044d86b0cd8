"""What is made from other sources of the tree is as they are now."""
import json
import os

from conftest import BUILD, CHART, ROOT, autoscaling_input, run

WRITE = "ROOMCAST_WRITE_GOLDEN" in os.environ  # writes what is compared otherwise


def test_schema_values_and_option_list_follow_from_the_option_table():
    answer = run(ROOT / "tests/chart/generate.py", environment={"REFERENCE": str(BUILD / "tests/reference")})
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_nats_users_have_the_permissions_of_the_quickstart():
    assert (CHART / "files/nats-users.conf").read_text() == (ROOT / "cluster/nats/roomcast.conf").read_text()


def simulated(tmp_path, *flags):
    given = tmp_path / "hpa.json"
    given.write_text(json.dumps(autoscaling_input()))
    answer = run(ROOT / "tests/chart/autoscaling/simulate.py", given, *flags)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_plot_of_the_readme_is_what_the_charts_autoscaler_does(tmp_path):
    made, kept = simulated(tmp_path, "--svg"), CHART / "docs/autoscaling.svg"
    if WRITE:
        kept.write_text(made)
    assert kept.read_text() == made, "ROOMCAST_WRITE_GOLDEN=1 writes it"


def test_table_of_the_readme_is_what_the_charts_autoscaler_does(tmp_path):
    assert simulated(tmp_path) in (CHART / "README.md").read_text()
