"""Importing people, through the command as an operator would."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, ScryptPasswordHasher, make_password
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from accounts import importing
from accounts.backends import legacy_algorithms
from accounts.csv_tables import TableError
from accounts.importing import Report, import_people
from accounts.models import User
from accounts.people_files import COLUMNS
from accounts.signals import record_changed
from tests.factories import PASSWORD, BindingFactory, UserFactory

pytestmark = pytest.mark.django_db


def people(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def problems(report: Report) -> list[str]:
    return [str(problem) for problem in report.problems]


def test_a_new_person_is_staged_and_has_no_password() -> None:
    report = import_people(people("username,email,given_name", "Grace,Grace@Example.com,Grace"))

    grace = User.objects.get(username="grace")
    assert report == Report(created=1)
    assert (grace.email, grace.given_name) == ("grace@example.com", "Grace")
    assert grace.state == User.State.STAGED
    assert grace.password_status == User.PasswordStatus.PENDING
    assert (grace.password_version, grace.is_staff) == (0, False)


def test_every_column_arrives() -> None:
    values = {name: f"{name[:12]}" for name in COLUMNS if name not in ("manager", "password_hash")}
    values |= {
        "username": "grace",
        "email": "grace@example.com",
        "alternate_email": "grace@example.org",
        "state": "suspended",
        "time_zone": "Europe/Berlin",
    }

    import_people(people(",".join(values), ",".join(values.values())))

    assert User.objects.filter(**values).count() == 1


def test_a_blank_cell_and_a_missing_column_change_nothing() -> None:
    UserFactory(username="grace", city="Oslo", job_title="Cook")

    report = import_people(people("username,email,city", "grace,,"))

    grace = User.objects.get(username="grace")
    assert report == Report(unchanged=1)
    assert (grace.city, grace.job_title) == ("Oslo", "Cook")


def test_importing_the_same_file_again_changes_nothing() -> None:
    content = people(
        "username;email;city;manager;password_hash",
        f"grace;grace@example.com;Oslo;linus;{make_password(PASSWORD)}",
        "linus;linus@example.com;Bergen;;",
    )
    import_people(content)
    before = list(User.objects.values())

    report = import_people(content)

    assert report == Report(unchanged=2)
    assert list(User.objects.values()) == before


def test_people_who_exist_are_changed_and_nobody_elses_fields_are() -> None:
    UserFactory(username="grace", city="Oslo", given_name="Grace")
    UserFactory(username="linus", city="Oslo", given_name="Linus")

    report = import_people(people("username,city,given_name", "grace,Bergen,", "linus,,Lin"))

    assert report == Report(changed=2)
    assert list(User.objects.values_list("username", "city", "given_name")) == [
        ("grace", "Bergen", "Grace"),
        ("linus", "Oslo", "Lin"),
    ]


def test_a_password_is_kept_by_its_hash() -> None:
    hashed = make_password(PASSWORD, hasher="pbkdf2_sha256")
    assert legacy_algorithms() == frozenset()

    import_people(people("username,email,password_hash", f"grace,grace@example.com,{hashed}"))

    grace = User.objects.get()
    assert legacy_algorithms() == {"pbkdf2_sha256"}
    assert (grace.password_version, grace.password_changed_at) == (1, None)
    assert grace.check_password(PASSWORD)


def test_a_hash_changes_nobodys_password() -> None:
    grace = UserFactory(username="grace")

    report = import_people(people("username;password_hash", f"grace;{make_password('other')}"))

    assert report == Report(unchanged=1)
    assert User.objects.get().password == grace.password


@pytest.mark.parametrize(
    "hashed",
    [
        pytest.param("argon2$argon2id$v=19$m=1048577,t=2,p=8$c29tZXNhbHQ$" + "A" * 43, id="memory"),
        pytest.param("argon2$argon2id$v=19$m=102400,t=11,p=8$c29tZXNhbHQ$" + "A" * 43, id="time"),
        pytest.param("argon2$argon2id$v=19$m=102400,t=2,p=17$c29tZXNhbHQ$" + "A" * 43, id="lanes"),
        pytest.param("argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ", id="cut off"),
        pytest.param(
            "argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQAA$" + "A" * 43, id="no base64"
        ),
        pytest.param(PBKDF2PasswordHasher().encode("x", "salt", 999), id="too few rounds"),
        pytest.param("pbkdf2_sha256$5000001$salt$" + "A" * 43 + "=", id="too many rounds"),
        pytest.param("scrypt$32768$salt$8$5$" + "A" * 86 + "==", id="scrypt needs 32 MiB"),
        pytest.param("scrypt$16383$salt$8$5$" + "A" * 86 + "==", id="scrypt, no power of two"),
        pytest.param("bcrypt_sha256$$2b$15$" + "A" * 53, id="bcrypt"),
        pytest.param("!" + "A" * 40, id="unusable"),
        pytest.param("md5$salt$" + "0" * 32, id="md5"),
        pytest.param("0" * 32, id="bare md5"),
        pytest.param("correct horse", id="clear"),
        pytest.param("pbkdf2_sha256$1000$" + "s" * 80 + "$" + "A" * 43 + "=", id="too long"),
    ],
)
def test_a_hash_that_is_broken_or_too_costly_is_refused(hashed: str) -> None:
    report = import_people(
        people("username;email;password_hash", f"grace;grace@example.com;{hashed}")
    )

    assert problems(report)[0].startswith("line 2: password_hash ")
    assert hashed not in problems(report)[0]
    assert not User.objects.exists()


@pytest.mark.parametrize("hashed", [ScryptPasswordHasher().encode("x", "salt"), make_password("x")])
def test_hashes_as_django_writes_them_are_taken(hashed: str) -> None:
    report = import_people(
        people("username;email;password_hash", f"grace;grace@example.com;{hashed}")
    )

    assert report == Report(created=1)
    assert User.objects.get().check_password("x")


def test_managers_may_stand_later_in_the_file() -> None:
    UserFactory(username="edith")

    import_people(
        people(
            "username,email,manager",
            "grace,grace@example.com,linus",
            "linus,linus@example.com,Edith",
            "edith,,grace",
        )
    )

    assert dict(User.objects.values_list("username", "manager__username")) == {
        "grace": "linus",
        "linus": "edith",
        "edith": "grace",
    }


def test_who_names_an_unknown_manager_is_reported_with_all_who_depend_on_it() -> None:
    report = import_people(
        people(
            "username,email,manager",
            "a,a@example.com,b",
            "b,b@example.com,nobody",
            "c,c@example.com,",
            "d,d@example.com,d",
        )
    )

    assert problems(report) == [
        "line 2: nobody has the manager's name b",
        "line 3: nobody has the manager's name nobody",
        "line 5: manager: nobody is their own",
    ]
    assert report.created == 1


def test_bad_rows_are_reported_with_their_lines_and_the_others_imported() -> None:
    UserFactory(username="taken")
    long = "x" * 61

    report = import_people(
        people(
            "username,email,state,given_name,street",
            'one,one@example.com,active,One,"12 Long',
            'Street"',
            "",
            ",,,,",
            "two,two@example.com,active,Two",
            "three,no-address,active,Three,",
            "four,,,Four,",
            "five,five@example.com,boss,Five,",
            f"six,six@example.com,,{long},",
            "seven,taken@example.com,,,",
            "eight,one@example.com,,,",
            "ONE,other@example.com,,,",
            ",nine@example.com,,,",
            "ten@example.com,eleven@example.com,,,",
            "twelve,twelve@example.com,,a\x00b,",
            "thirteen,thirteen@example.com,,,",
        )
    )

    assert [problem.line for problem in report.problems] == [6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    assert list(User.objects.values_list("username", flat=True)) == ["one", "taken", "thirteen"]
    assert User.objects.get(username="one").street == "12 Long\nStreet"


def test_quotes_that_are_not_closed_are_reported_where_they_open() -> None:
    report = import_people(
        people("username,email", "one,one@example.com", '"two,two@example.com', "three,three@x.org")
    )

    assert report.created == 1
    assert problems(report)[0].startswith("line 3: the quotes are not right")


def test_a_file_as_excel_writes_it_is_read() -> None:
    content = (
        '\ufeffUserName;Email;Display_Name\r\ngrace;grace@example.com;"Okafor; ""Grace"""\r\n'
    ).encode()

    import_people(content)

    assert User.objects.get().display_name == 'Okafor; "Grace"'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty"),
        (b"\n\n", "The file is empty"),
        (b"username,is_staff\ngrace,1", "Unknown column 'is_staff'. The columns there are: user"),
        (b"username,groups,is_superuser\ngrace,1,1", "'groups', 'is_superuser'"),
        (b"email\ngrace@example.com", "The column username is missing"),
        (b"username,email,email\n", "The column email is there twice"),
        (b"username,\n", "Unknown column ''"),
        ("username,given_name\ngrace,Zoë".encode("latin-1"), "Line 2 is not in UTF-8"),
        ("username,email".encode("utf-16"), "Line 1 is not in UTF-8"),
        ("username,email".encode("utf-16-le"), "not a text file"),
    ],
)
def test_a_file_that_cannot_be_imported_is_explained(content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        import_people(content)

    assert not User.objects.exists()


@pytest.mark.parametrize("role", ["operator", "administrator"])
def test_operators_are_never_changed(role: str) -> None:
    UserFactory(username="grace", city="Oslo", **{role: True})

    report = import_people(people("username,city", "grace,Bergen"))

    assert "grace is an operator" in problems(report)[0]
    assert User.objects.get().city == "Oslo"


@pytest.mark.parametrize("column", ["email", "alternate_email"])
def test_addresses_of_a_bound_person_are_left_to_an_administrator(column: str) -> None:
    BindingFactory(user__username="grace")

    report = import_people(people(f"username,{column},city", "grace,new@example.com,Oslo"))

    (problem,) = problems(report)
    assert problem.startswith("line 2: grace is bound to a directory, so an Administrator has to")
    assert column in problem
    assert User.objects.get().city == ""


def test_addresses_of_a_person_whose_binding_ended_are_changed() -> None:
    binding = BindingFactory(user__username="grace")
    type(binding).objects.update(ended_at=binding.bound_at)

    report = import_people(people("username,email", "grace,new@example.com"))

    assert report == Report(changed=1)
    assert User.objects.get().email == "new@example.com"


def test_a_user_name_that_is_the_e_mail_stays_so() -> None:
    UserFactory(username="grace@example.com", email="grace@example.com")

    report = import_people(people("username,email", "grace@example.com,new@example.com"))

    assert "has to be the person's own e-mail" in problems(report)[0]


def test_who_got_in_the_way_meanwhile_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    UserFactory(username="other", email="grace@example.com")
    monkeypatch.setattr(importing, "_refused", lambda *_: {})

    report = import_people(
        people("username,email", "grace,grace@example.com", "linus,linus@example.com")
    )

    assert report.created == 1
    assert "somebody else took" in problems(report)[0]


def test_a_check_keeps_nothing_and_says_the_same() -> None:
    UserFactory(username="grace", city="Oslo")
    content = people("username,email,city", "grace,,Bergen", "linus,linus@example.com,", "x,,")

    checked = import_people(content, is_check=True)

    assert User.objects.get().city == "Oslo"
    assert checked == import_people(content)
    assert (checked.created, checked.changed, len(checked.problems)) == (1, 1, 1)


def test_the_record_change_is_announced_for_created_and_changed() -> None:
    UserFactory(username="grace"), UserFactory(username="edith", city="Oslo")
    announced: list[int] = []

    def receiver(*, user_ids: list[int], **_: object) -> None:
        announced.extend(user_ids)

    record_changed.connect(receiver)
    try:
        import_people(
            people("username,email,city", "grace,,Oslo", "linus,l@example.com,", "edith,,Oslo")
        )
    finally:
        record_changed.disconnect(receiver)

    assert set(announced) == set(
        User.objects.exclude(username="edith").values_list("pk", flat=True)
    )


def test_there_is_no_query_for_each_row(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    lines = [f"p{number},p{number}@example.com,p{number // 2 or 499}" for number in range(500)]

    # SQLite takes some 30 rows in one statement; there is none for each.
    with django_assert_max_num_queries(60):
        import_people(people("username,email,manager", *lines))

    assert User.objects.count() == 500


def test_the_command_reports_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(people("username,email", "grace,grace@example.com", "linus,"))
    out, err = StringIO(), StringIO()

    with pytest.raises(CommandError) as failure:
        call_command("import_users", str(file), stdout=out, stderr=err)

    assert failure.value.returncode == 1
    assert out.getvalue() == "created 1, changed 0, unchanged 0, bad 1\n"
    assert err.getvalue() == "line 3: a new person needs an e-mail\n"
    assert User.objects.count() == 1


def test_the_command_with_check_says_what_would_be_done(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(people("username,email", "grace,grace@example.com"))
    out = StringIO()

    call_command("import_users", str(file), "--check", stdout=out)

    assert out.getvalue() == "created 1, changed 0, unchanged 0, bad 0\n"
    assert not User.objects.exists()


def test_the_command_explains_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("import_users", str(tmp_path / "people.csv"))
