"""The layers of the configuration: what counts, where it came from, and what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from brconsole.config.load import LoadedConfig, load
from brconsole.config.origins import Layer
from brconsole.domain.environment import BudgetSettings, PlanStep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that brconsole is started in."""
    folder = tmp_path / "checkout" / "deep"
    folder.mkdir(parents=True)
    return folder


def loaded(folder: Path, environ: dict[str, str] | None = None, **flags: object) -> LoadedConfig:
    return load(None, environ or {}, folder, flags)


def test_the_defaults_are_the_three_environments_of_the_specification(folder: Path) -> None:
    dev, staging, prod = loaded(folder).environments()
    assert [e.project for e in (dev, staging, prod)] == ["br-dev-4821", "br-stage-4821", "bytereview-prod"]
    assert {e.region for e in (dev, staging, prod)} == {"us-central1"}
    assert [e.budget and e.budget.monthly for e in (dev, staging, prod)] == [500, 1500, 10_000]
    assert [e.protected for e in (dev, staging, prod)] == [False, False, True]
    assert prod.budget == BudgetSettings(
        monthly=10_000,
        currency="USD",
        billing_account="01A2B3-C4D5E6-F70819",
        export_table="bytereview-prod.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819",
    )
    assert staging.plan is not None
    assert staging.plan.steps == (PlanStep(10, 1800), PlanStep(100, 0))
    assert prod.plan is not None
    assert prod.plan.steps == (PlanStep(5, 900), PlanStep(50, 900), PlanStep(100, 0))
    assert prod.plan.deadline_s == 4 * 3600
    assert prod.in_release_group("worker-extract")
    assert not prod.in_release_group("imposter")
    assert prod.gates.freeze == ()
    assert prod.queues["extract"].alert_depth == 10_000
    assert loaded(folder).config.default_environment == "staging"


def test_every_value_of_the_defaults_names_the_defaults_as_its_origin(folder: Path) -> None:
    values = list(loaded(folder).values())
    assert ("environments.prod.budget.monthly", 10_000.0) in [(key, value) for key, value, _ in values]
    assert {str(origin) for _, _, origin in values} == {"built-in defaults"}


def test_a_flag_counts_more_than_a_variable_more_than_the_project_more_than_the_user(
    folder: Path, config_folder: Path
) -> None:
    def theme(environ: dict[str, str] | None = None, **flags: object) -> tuple[object, Layer]:
        config = load(None, environ or {}, folder, {key.replace("__", "."): value for key, value in flags.items()})
        return config.config.interface.theme, config.origins["interface.theme"].layer

    assert theme() == ("bytereview-dark", Layer.DEFAULTS)
    (config_folder / "config.toml").write_text('[interface]\ntheme = "users"\n')
    assert theme() == ("users", Layer.USER_FILE)
    (folder / "brconsole.toml").write_text('[interface]\ntheme = "projects"\n')
    assert theme() == ("projects", Layer.PROJECT_FILE)
    assert theme(interface__theme=None) == ("projects", Layer.PROJECT_FILE)
    assert theme(interface__theme="flags") == ("flags", Layer.FLAG)


@pytest.mark.parametrize(
    ("environ", "flag", "read_only", "origin"),
    [
        ({}, None, None, "built-in defaults"),
        ({"BRCONSOLE_READ_ONLY": ""}, None, None, "built-in defaults"),
        ({"BRCONSOLE_READ_ONLY": "1"}, None, True, "BRCONSOLE_READ_ONLY"),
        ({"BRCONSOLE_READ_ONLY": "No"}, None, False, "BRCONSOLE_READ_ONLY"),
        ({"BRCONSOLE_READ_ONLY": "1"}, False, False, "--write"),
        ({"BRCONSOLE_READ_ONLY": "0"}, True, True, "--read-only"),
    ],
)
def test_the_mode_is_the_flags_before_the_variables(
    folder: Path, environ: dict[str, str], flag: bool | None, read_only: bool | None, origin: str
) -> None:
    config = loaded(folder, environ, read_only=flag)
    assert config.config.read_only is read_only
    assert str(config.origins["read_only"]) == origin


def test_the_endpoints_come_from_variables_and_flags(folder: Path) -> None:
    environ = {"BRCONSOLE_ENDPOINT": "127.0.0.1:9000", "BRCONSOLE_HTTP_ENDPOINT": "localhost:9001"}
    config = loaded(folder, environ, endpoint="[::1]:7000")
    assert (config.config.endpoint, str(config.origins["endpoint"])) == ("[::1]:7000", "--endpoint")
    assert (config.config.http_endpoint, str(config.origins["http_endpoint"])) == (
        "localhost:9001",
        "BRCONSOLE_HTTP_ENDPOINT",
    )


def test_the_projects_file_is_found_in_a_folder_above(folder: Path) -> None:
    file = folder.parent / "brconsole.toml"
    file.write_text('# ours\ndefault_environment = "prod"\n')
    config = loaded(folder)
    assert config.config.default_environment == "prod"
    assert str(config.origins["default_environment"]) == f"{file}:2"
    assert config.files == (file,)


def test_the_nearest_projects_file_wins(folder: Path) -> None:
    (folder.parent / "brconsole.toml").write_text('default_environment = "prod"')
    (folder / "brconsole.toml").write_text('default_environment = "dev"')
    assert loaded(folder).config.default_environment == "dev"


def test_a_file_asked_for_by_name_takes_the_place_of_the_projects(folder: Path, config_folder: Path) -> None:
    (folder / "brconsole.toml").write_text('default_environment = "prod"\n[interface]\ntheme = "projects"\n')
    (config_folder / "config.toml").write_text('[interface]\ntheme = "users"\n')
    other = folder.parent / "other.toml"
    other.write_text('default_environment = "dev"')
    by_variable = load(None, {"BRCONSOLE_CONFIG": "../other.toml"}, folder, {})
    assert by_variable.config.default_environment == "dev"
    assert by_variable.config.interface.theme == "users"
    third = folder / "third.toml"
    third.write_text('default_environment = "staging"')
    by_flag = load(third, {"BRCONSOLE_CONFIG": "../other.toml"}, folder, {})
    assert by_flag.config.default_environment == "staging"
    assert str(by_flag.origins["default_environment"]) == f"{third}:1"


def test_a_file_changes_single_values_and_leaves_the_others(folder: Path) -> None:
    file = folder / "brconsole.toml"
    file.write_text(
        "[environments.prod]\nbudget = { monthly = 12000.5 }\n[environments.prod.gates]\nerror_ratio = 0.01\n"
    )
    config = loaded(folder)
    prod = config.environment("prod")
    assert prod.budget is not None
    assert prod.budget.monthly == 12_000.5
    assert prod.budget.billing_account == "01A2B3-C4D5E6-F70819"
    assert prod.gates.error_ratio == 0.01
    assert prod.gates.error_budget_burn == 0.02
    assert str(config.origins["environments.prod.budget.monthly"]) == f"{file}:2"
    assert str(config.origins["environments.prod.budget.currency"]) == "built-in defaults"


def test_an_array_replaces_the_one_below_as_a_whole(folder: Path) -> None:
    file = folder / "brconsole.toml"
    file.write_text(
        '[environments.prod.plan]\nsteps = [\n  { percent = 20, dwell = "1h30m" },\n  { percent = 100 },\n]\n'
    )
    config = loaded(folder)
    plan = config.environment("prod").plan
    assert plan is not None
    assert plan.steps == (PlanStep(20, 5400), PlanStep(100, 0))
    assert str(config.origins["environments.prod.plan.steps"]) == f"{file}:2"
    assert str(config.origins["environments.prod.plan.deadline"]) == "built-in defaults"


def test_an_environment_of_ones_own_needs_only_a_project_and_a_region(folder: Path) -> None:
    file = folder / "brconsole.toml"
    file.write_text('[environments.canada]\nproject = "br-canada-1"\nregion = "northamerica-northeast1"\n')
    config = loaded(folder)
    canada = config.environment("canada")
    assert (canada.name, canada.project, canada.region) == ("canada", "br-canada-1", "northamerica-northeast1")
    assert canada.plan is None
    assert canada.budget is None
    assert canada.gates.error_ratio == 0.02
    assert [e.name for e in config.environments()] == ["dev", "staging", "prod", "canada"]
    assert str(config.origins["environments.canada.project"]) == f"{file}:2"
    assert str(config.origins["environments.canada.gates.error_ratio"]) == "built-in defaults"


def test_keys_with_dots_keep_their_quotes_in_the_origins(folder: Path) -> None:
    file = folder / "brconsole.toml"
    file.write_text('[keymap]\n"traffic.shift" = "S"\n')
    config = loaded(folder)
    assert config.config.keymap == {"traffic.shift": "S"}
    assert str(config.origins['keymap."traffic.shift"']) == f"{file}:2"


def test_a_path_in_a_file_is_relative_to_that_file(folder: Path) -> None:
    (folder.parent / "brconsole.toml").write_text('[migrations]\nalembic = "backend/alembic.ini"\n')
    assert loaded(folder).config.migrations.alembic == str(folder.parent / "backend" / "alembic.ini")


def test_a_path_given_by_a_flag_is_relative_to_the_current_folder(folder: Path) -> None:
    (folder.parent / "brconsole.toml").write_text('[migrations]\nalembic = "backend/alembic.ini"\n')
    config = load(None, {}, folder, {"migrations.alembic": "db/alembic.ini"})
    assert config.config.migrations.alembic == str(folder / "db" / "alembic.ini")


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(folder: Path) -> None:
    file = folder / "brconsole.toml"
    file.write_bytes(b'\xef\xbb\xbf# ours\r\n\r\ndefault_environment = "dev"\r\n')
    config = loaded(folder)
    assert config.config.default_environment == "dev"
    assert str(config.origins["default_environment"]) == f"{file}:3"


def test_freeze_windows_reach_the_environment_as_they_were_written(folder: Path) -> None:
    window = "Fri 16:00 - Mon 08:00 Europe/Berlin"
    (folder / "brconsole.toml").write_text(f'[environments.prod.gates]\nfreeze = ["{window}"]\n')
    assert loaded(folder).environment("prod").gates.freeze == (window,)


def test_terraform_folders_are_beside_the_file_that_names_them_else_beside_the_projects_file(folder: Path) -> None:
    assert loaded(folder).config.infra.folder == str(folder / "infra/envs/{environment}")
    (folder.parent / "brconsole.toml").write_text("")
    assert loaded(folder).config.infra.folder == str(folder.parent / "infra/envs/{environment}")
    (folder.parent / "brconsole.toml").write_text('[infra]\nfolder = "tf/{environment}"\nterraform = "./tofu"\n')
    infra = loaded(folder).config.infra
    assert infra.folder == str(folder.parent / "tf/{environment}")
    assert infra.terraform == str(folder.parent / "tofu")
    assert infra.timeout == "5m"


def test_a_terraform_without_a_slash_is_looked_for_on_the_path(folder: Path) -> None:
    assert loaded(folder).config.infra.terraform == "terraform"
