"""Every mistake names its place, what was found, what is allowed and what was probably meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brconsole.config.errors import ConfigError
from brconsole.config.load import load
from brconsole.config.values import parse_duration

COMMANDS = ("status", "watch", "config")


def mistake(folder: Path, text: str | bytes, **flags: object) -> ConfigError:
    """The error of a project file with this text; its place is told relative to the folder."""
    file = folder / "brconsole.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(None, {}, folder, flags, COMMANDS)
    error = caught.value
    error.where = error.where and error.where.replace(f"{folder}/", "")
    return error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '\ndefault_enviroment = "prod"',
            "brconsole.toml:2: unknown key default_enviroment; allowed: default_environment, environments, migrations,"
            " infra, keymap, interface; did you mean default_environment?",
        ),
        (
            '[environments.prod]\nregion = "us-central1"\nprojct = "x"',
            "brconsole.toml:3: unknown key environments.prod.projct; allowed: project, region, protected, colour,"
            " release_group, write_api, budget, plan, gates, queues; did you mean project?",
        ),
        (
            "[environments.prod]\nbudget = { montly = 1 }",
            "brconsole.toml:2: unknown key environments.prod.budget.montly; allowed: monthly, currency,"
            " billing_account, export_table; did you mean monthly?",
        ),
        (
            '[environments.prod]\n"a\\u001b[31m\\u202eb" = 1',
            'brconsole.toml:2: unknown key environments.prod."a\\U0000001b[31m\\U0000202eb"; allowed: project, region,'
            " protected, colour, release_group, write_api, budget, plan, gates, queues",
        ),
        (
            '[environments.prod]\nprotected = "yes"',
            "brconsole.toml:2: bad value of environments.prod.protected, found 'yes'; allowed: true or false",
        ),
        (
            "[environments]\nprod = 7",
            "brconsole.toml:2: wrong type of environments.prod, found 7; allowed: a table",
        ),
        (
            "environments = 7",
            "brconsole.toml:1: bad value of environments, found 7; allowed: a table",
        ),
        (
            "[environments.prod.plan]\nsteps = 5",
            "brconsole.toml:2: bad value of environments.prod.plan.steps, found 5; allowed: an array",
        ),
        (
            "[environments.prod.project]\nid = 1",
            "brconsole.toml:1: bad value of environments.prod.project, found a table; allowed: a text",
        ),
        (
            '[environments.prod]\nwrite_api = "Autos"',
            "brconsole.toml:2: bad value of environments.prod.write_api, found 'Autos'; allowed: auto, v1, v2;"
            " did you mean auto?",
        ),
        (
            "[environments.prod.plan]\nsteps = [\n  { percent = 5 },\n  { percent = 101 },\n]",
            "brconsole.toml:4: bad value of environments.prod.plan.steps[1].percent, found 101;"
            " allowed: a whole number from 1 to 100",
        ),
        (
            "[environments.prod.plan]\nsteps = [{ percent = 0 }, { percent = 100 }]",
            "brconsole.toml:2: bad value of environments.prod.plan.steps[0].percent, found 0;"
            " allowed: a whole number from 1 to 100",
        ),
        (
            "[environments.prod.plan]\nsteps = [{ percent = 5.5 }, { percent = 100 }]",
            "brconsole.toml:2: bad value of environments.prod.plan.steps[0].percent, found 5.5;"
            " allowed: a whole number from 1 to 100",
        ),
        (
            "[environments.prod.plan]\nsteps = [{ percent = true }, { percent = 100 }]",
            "brconsole.toml:2: bad value of environments.prod.plan.steps[0].percent, found true;"
            " allowed: a whole number from 1 to 100",
        ),
        (
            '[environments.prod.plan]\nsteps = [{ dwell = "15m" }, { percent = 100 }]',
            "brconsole.toml:2: missing key environments.prod.plan.steps[0].percent",
        ),
        (
            "[environments.prod.plan]\nsteps = [\n  { percent = 50 },\n  { percent = 50 },\n  { percent = 100 },\n]",
            "brconsole.toml:4: percents of environments.prod.plan.steps do not ascend, found 50 after 50;"
            " allowed: each step larger than the one before",
        ),
        (
            "[environments.prod.plan]\nsteps = [\n  { percent = 5 },\n  { percent = 50 },\n]",
            "brconsole.toml:4: environments.prod.plan.steps does not end in 100, found 50; allowed: a last step of 100",
        ),
        (
            "[environments.prod.plan]\nsteps = []",
            "brconsole.toml:2: environments.prod.plan.steps does not end in 100, found no steps;"
            " allowed: a last step of 100",
        ),
        (
            '[environments.prod.plan]\nsteps = [{ percent = 5, dwell = "15 minutes" }, { percent = 100 }]',
            "brconsole.toml:2: bad value of environments.prod.plan.steps[0].dwell, found '15 minutes';"
            " allowed: a duration such as 30s, 15m, 4h or 1h30m",
        ),
        (
            '[environments.prod.plan]\ndeadline = "20m"',
            "brconsole.toml:2: environments.prod.plan.deadline is over before the steps are, found '20m';"
            " allowed: more than the 30 min that the steps take",
        ),
        (
            "[environments.prod.budget]\nmonthly = 0",
            "brconsole.toml:2: bad value of environments.prod.budget.monthly, found 0; allowed: a number above 0",
        ),
        (
            "[environments.prod.budget]\nmonthly = inf",
            "brconsole.toml:2: bad value of environments.prod.budget.monthly, found inf; allowed: a number above 0",
        ),
        (
            "[environments.prod.budget]\nmonthly = nan",
            "brconsole.toml:2: bad value of environments.prod.budget.monthly, found nan; allowed: a number above 0",
        ),
        (
            '[environments.prod.budget]\nbilling_account = "billingAccounts/1"',
            "brconsole.toml:2: bad value of environments.prod.budget.billing_account, found 'billingAccounts/1';"
            " allowed: a billing account id, such as 01A2B3-C4D5E6-F70819",
        ),
        (
            '[environments.prod.budget]\nexport_table = "a.b`; DROP TABLE c"',
            "brconsole.toml:2: bad value of environments.prod.budget.export_table, found 'a.b`; DROP TABLE c';"
            " allowed: project.dataset.table, such as"
            " bytereview-prod.billing.gcp_billing_export_v1_01A2B3_C4D5E6_F70819",
        ),
        (
            "[environments.prod.gates]\nerror_ratio = 2",
            "brconsole.toml:2: bad value of environments.prod.gates.error_ratio, found 2;"
            " allowed: a number above 0 and at most 1",
        ),
        (
            '[environments.prod.gates]\nfreeze = [\n  "Fri 16:00 - Mon 08:00 Europe/Berlin",\n  "Friday 16:00",\n]',
            "brconsole.toml:4: bad value of environments.prod.gates.freeze[1], found 'Friday 16:00';"
            " allowed: a weekly window such as Fri 16:00 - Mon 08:00 Europe/Berlin",
        ),
        (
            '[environments.prod.gates]\nfreeze = ["Fry 16:00 - Mon 08:00 Europe/Berlin"]',
            "brconsole.toml:2: bad value of environments.prod.gates.freeze[0],"
            " found 'Fry 16:00 - Mon 08:00 Europe/Berlin'; allowed: weekdays Mon, Tue, Wed, Thu, Fri, Sat, Sun",
        ),
        (
            '[environments.prod.gates]\nfreeze = ["Fri 24:00 - Mon 08:00 Europe/Berlin"]',
            "brconsole.toml:2: bad value of environments.prod.gates.freeze[0],"
            " found 'Fri 24:00 - Mon 08:00 Europe/Berlin'; allowed: times of day from 00:00 to 23:59",
        ),
        (
            '[environments.prod.gates]\nfreeze = ["Fri 16:00 - Mon 08:00 Europe/Berln"]',
            "brconsole.toml:2: bad value of environments.prod.gates.freeze[0],"
            " found 'Fri 16:00 - Mon 08:00 Europe/Berln';"
            " allowed: a window with a time zone of the IANA database (such as Europe/Berlin)",
        ),
        (
            '[environments.prod.gates]\nfreeze = ["Fri 16:00 - Fri 16:00 UTC"]',
            "brconsole.toml:2: bad value of environments.prod.gates.freeze[0], found 'Fri 16:00 - Fri 16:00 UTC';"
            " allowed: a window whose end is not its start",
        ),
        (
            "[environments.prod.queues.extract]\nalert_depth = -1",
            "brconsole.toml:2: bad value of environments.prod.queues.extract.alert_depth, found -1;"
            " allowed: a whole number above 0",
        ),
        (
            '[environments.prod]\nproject = "Not A Project"',
            "brconsole.toml:2: bad value of environments.prod.project, found 'Not A Project';"
            " allowed: a Google Cloud project id, such as bytereview-prod",
        ),
        (
            '[environments.prod]\nregion = "us"',
            "brconsole.toml:2: bad value of environments.prod.region, found 'us';"
            " allowed: a Google Cloud region, such as us-central1",
        ),
        (
            '[environments.qa]\nregion = "us-central1"',
            "brconsole.toml:1: missing key environments.qa.project",
        ),
        (
            '[environments.status]\nproject = "br-status"\nregion = "us-central1"',
            "brconsole.toml:1: environment status has the name of a command, so `brconsole status` would not open it;"
            " allowed: any name that is no command",
        ),
        (
            '[environments."two words"]\nproject = "br-two"\nregion = "us-central1"',
            "brconsole.toml:1: bad environment name 'two words';"
            " allowed: letters, digits, - and _, beginning with a letter",
        ),
        (
            '\ndefault_environment = "prdo"',
            "brconsole.toml:2: unknown environment in default_environment, found 'prdo'; allowed: dev, staging, prod;"
            " did you mean prod?",
        ),
        (
            '[infra]\nfolder = "infra/envs"',
            "brconsole.toml:2: bad value of infra.folder, found 'infra/envs'; allowed: a folder with {environment} in"
            " its place, such as infra/envs/{environment}",
        ),
        (
            '[infra]\ntimeout = "0s"',
            "brconsole.toml:2: bad value of infra.timeout, found '0s'; allowed: a duration above 0, such as 5m",
        ),
        (
            '[infra]\nbinary = "tofu"',
            "brconsole.toml:2: unknown key infra.binary; allowed: folder, terraform, timeout",
        ),
        (
            '[keymap]\n"traffic.shift" = ""',
            "brconsole.toml:2: bad value of keymap.\"traffic.shift\", found ''; allowed: a text that is not empty",
        ),
        (
            '\nendpoint = "127.0.0.1:1"',
            "brconsole.toml:2: endpoint cannot be set in a file; allowed: --endpoint or BRCONSOLE_ENDPOINT",
        ),
        (
            "[environments.prod]\nproject =\n",
            "brconsole.toml:2: not valid TOML: Invalid value",
        ),
        (
            "# one\na = [1,\n",
            "brconsole.toml:2: not valid TOML: Invalid value",
        ),
        (
            "\n[environments.prod]\n[environments.prod]\n",
            "brconsole.toml:3: not valid TOML: Cannot declare ('environments', 'prod') twice",
        ),
        (
            b"# caf\xc3\xa9\n# caf\xe9\n",
            "brconsole.toml:2: the configuration file is not UTF-8, found byte 0xe9",
        ),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line_and_its_cure(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    assert str(mistake(tmp_path, text)) == message


def test_a_wrong_value_of_the_users_file_names_that_file(tmp_path: Path, config_folder: Path) -> None:
    user = config_folder / "config.toml"
    user.write_text("\n\n[environments.dev.budget]\nmonthly = -3\n")
    (tmp_path / "brconsole.toml").write_text("[environments.prod.budget]\nmonthly = 3\n")
    with pytest.raises(ConfigError) as caught:
        load(None, {}, tmp_path, {})
    assert caught.value.where == f"{user}:4"


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("8085", "HOST:PORT"),
        ("127.0.0.1:0", "HOST:PORT"),
        ("127.0.0.1:65536", "HOST:PORT"),
        ("http://127.0.0.1:80", "HOST:PORT"),
        ("10.0.0.1:80", "an address of this machine"),
        ("run.googleapis.com:443", "an address of this machine"),
        ("127.0.0.1.example.com:443", "an address of this machine"),
        ("[2001:db8::1]:443", "an address of this machine"),
    ],
)
def test_an_endpoint_that_is_not_on_this_machine_is_refused(tmp_path: Path, endpoint: str, allowed: str) -> None:
    for environ, flags, where in (
        ({"BRCONSOLE_ENDPOINT": endpoint}, {}, "BRCONSOLE_ENDPOINT"),
        ({}, {"http_endpoint": endpoint}, "--http-endpoint"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(None, environ, tmp_path, flags)
        assert caught.value.where == where
        assert allowed in str(caught.value)


def test_a_bad_environment_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"BRCONSOLE_READ_ONLY": "maybe"}, tmp_path, {})
    assert str(caught.value) == (
        "BRCONSOLE_READ_ONLY: bad value, found 'maybe'; allowed: 1, true, yes, on, 0, false, no, off"
    )


@pytest.mark.parametrize(("option", "environ"), [(Path("nope.toml"), {}), (None, {"BRCONSOLE_CONFIG": "nope.toml"})])
def test_a_file_that_was_asked_for_must_exist(tmp_path: Path, option: Path | None, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(option, environ, tmp_path, {})
    asked_by = "--config" if option else "BRCONSOLE_CONFIG"
    assert str(caught.value) == f"{asked_by}: no such configuration file, found '{tmp_path / 'nope.toml'}'"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(folder, {}, tmp_path, {})
    assert str(caught.value) == f"{folder}: the configuration file cannot be read: is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    file = tmp_path / "brconsole.toml"
    file.write_text("")
    file.chmod(0)
    with pytest.raises(ConfigError, match="permission denied"):
        load(None, {}, tmp_path, {})


def test_an_unknown_environment_lists_the_known_and_the_nearest(tmp_path: Path) -> None:
    config = load(None, {}, tmp_path, {})
    with pytest.raises(ConfigError) as caught:
        config.environment("Prd", where="ENV")
    assert str(caught.value) == (
        "ENV: unknown environment, found 'Prd'; allowed: dev, staging, prod; did you mean prod?"
    )


def test_a_long_value_is_cut_in_the_message(tmp_path: Path) -> None:
    error = mistake(tmp_path, f'[environments.prod]\nregion = "{"x" * 100_000}"')
    assert len(str(error)) < 400


def test_a_deeply_nested_file_is_a_mistake_and_no_crash(tmp_path: Path) -> None:
    error = mistake(tmp_path, "a = " + "[" * 100_000)
    assert error.what.startswith("not valid TOML")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("30s", 30), ("15m", 900), ("4h", 14_400), ("2d", 172_800), ("1h30m", 5_400), ("1d2h3m4s", 93_784)],
)
def test_durations_are_read_as_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "1.5h", "15 m", "15M", "30m1h", "٣m", "9999999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)
