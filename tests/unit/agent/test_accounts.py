import pytest

from foedus.agent.accounts import Account, AccountRules, NoAccount, account_name, find_account, look_up, read_accounts
from foedus.core.base.errors import BadInput

ROOT = AccountRules(own_uid=0)


@pytest.fixture
def table(tmp_path):
    def write(text):
        file = tmp_path / "accounts.toml"
        file.write_text(text)
        return read_accounts(file)

    return write


def test_the_first_line_that_fits_decides(table, order):
    found = table(
        """
        [[account]]
        partner = "baku"
        account = "guest"
        [[account]]
        user = "d*"
        project = "tr?nsit"
        account = "il_{user}_{project}"
        [[account]]
        account = "everybody"
        """
    )

    assert account_name(found, order()) == "il_dana_transit"
    assert account_name(found, order(user_partner="baku")) == "guest"
    assert account_name(found, order(user="eli")) == "everybody"


def test_no_line_no_job(table, order):
    found = table('[[account]]\npartner = "baku"\naccount = "guest"')

    assert find_account(found, order(), ROOT) == NoAccount(
        reason="the site has no account for dana of israel in project transit"
    )
    assert find_account(table(""), order(), ROOT) == NoAccount(
        reason="the site has no account for dana of israel in project transit"
    )


def test_accounts_that_may_not_be_used():
    assert look_up("nobody-of-that-name", ROOT) == NoAccount(
        reason="the account 'nobody-of-that-name' of the site's account map does not exist"
    )
    assert look_up("root", ROOT) == NoAccount(reason="the site does not run jobs as root")
    assert look_up("daemon", ROOT) == NoAccount(reason="the account 'daemon' is a system account (uid below 1000)")
    assert look_up("nobody", AccountRules(own_uid=4711)) == NoAccount(
        reason="the site's agent does not run as root and cannot become 'nobody'"
    )


def test_accounts_that_may_be_used():
    assert look_up("root", AccountRules(own_uid=0, allow_root=True)) == Account(name="root", uid=0, gid=0)
    found = look_up("nobody", ROOT)
    assert isinstance(found, Account)
    assert look_up("nobody", AccountRules(own_uid=found.uid)) == found


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[[account]]\nuser = "x"', "account[0].account"),
        ('[[account]]\naccount = ""', "account[0].account"),
        ('[[account]]\naccount = "{home}"', "account[0].account"),
        ('[[account]]\naccount = "../x"', "account[0].account"),
        ('[[account]]\nacount = "x"\naccount = "y"', "account[0].acount"),
        ("account = [", ""),
    ],
)
def test_faults_of_the_map_are_named(table, text, path):
    with pytest.raises(BadInput) as raised:
        table(text)
    assert path in raised.value.faults[0].path


def test_a_missing_map_is_named(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_accounts(tmp_path / "absent.toml")
