"""Examples that the help pages end with, by command."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "submit": (
        "foedus submit train.sbatch",
        "foedus submit --gpus=2 --time=1:00:00 train.sbatch --rate 0.1",
        "foedus submit --array=0-9%2 --wait sweep.sbatch",
        "foedus submit --project=city-flows --time=5 --wrap='hostname; date'",
        "foedus submit --parsable --dependency=afterok:1042 < report.sbatch",
    ),
    "run": (
        "foedus run --time 5 --follow -- hostname",
        "foedus run --gpus 2 --time 1:00:00 --bundle src -- python3 src/train.py",
    ),
    "status": ("foedus status", "foedus status 1042 1043_7", "foedus status 1042 --json"),
    "list": (
        "foedus list --me",
        "foedus list --all --state failed --project city-flows",
        "foedus list -a --array 1042",
    ),
    "wait": ("foedus wait 1042 1043 && foedus fetch 1042", "foedus wait 1042 --timeout 600"),
    "cancel": ("foedus cancel 1042", "foedus cancel 1042_3 1042_4"),
    "why": ("foedus why 1042", "foedus why 1042 --lang he"),
    "logs": ("foedus logs 1042", "foedus logs -f 1042_3", "foedus logs --stderr --attempt 1 1042"),
    "fetch": ("foedus fetch 1042", "foedus fetch 1042_3 -o results"),
    "script": ("foedus script 1042 > train.sbatch",),
    "login": (
        "foedus login --hub https://hub.example.org",
        "foedus --profile office login --hub https://hub.example.org < token",
    ),
    "project create": (
        'foedus project create city-flows --title "How people travel" --sector urban-mobility --lead aysel',
    ),
    "project grant": ('foedus project grant city-flows 500 --reason "first quarter"',),
    "project add-member": ("foedus project add-member city-flows dana",),
    "user add": ('foedus user add dana --partner israel --name "Dana Levi"',),
    "token create": ("foedus token create --user dana --scope submit --days 90 > dana.token",),
    "agreement new": ("foedus agreement new caspian",),
    "agreement check": ("foedus agreement check agreement.toml --policy baku.cedar",),
    "agreement sign": ("foedus agreement sign agreement.toml --as israel --key keys/israel.pem",),
    "agreement vouch": ("foedus agreement vouch agreement.toml baku $(cat site.pub) --key keys/azerbaijan.pem",),
    "site code": ("foedus site code baku > code",),
    "balance": ("foedus balance", "foedus balance --period 2026-Q4 --csv balance.csv"),
    "ledger export": ("foedus ledger export -o book.jsonl", "foedus ledger export --format ogf-ur -o usage.xml"),
    "ledger verify": ("foedus ledger verify book.jsonl --agreement agreement.toml",),
    "ledger show": ("foedus ledger show book.jsonl --last 20",),
    "hub init": ("foedus hub init --agreement agreement.toml --office office --partner israel --state hub",),
    "hub serve": ("foedus hub serve --state hub --port 8000",),
    "agent enrol": (
        "foedus agent enrol --state state --hub https://hub.example.org --site baku --code 7QK2 --vouch baku.json",
    ),
    "agent run": ("foedus agent run --state state --config agent.toml",),
    "demo": ("foedus demo", "foedus demo --keep"),
}
