# Written by tests/completion_data.py from mtls-run's commands. Do not edit.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2209 # the caller's variables; `file` is a word
function _mtls_run_words {
  case $1 in
  '') words='-p --profile --no-profile --explain --json --handoff -q --quiet -v --verbose --version -h --help' ;;
  first) words='pip pip3 uv uvx curl flit git hatch pdm pipenv pipx poetry twine python3 allow demo deny doctor forget help init passphrase profile shims uninstall' ;;
  allow) words='-h --help' ;;
  demo) words='--gateway -h --help' ;;
  deny) words='-h --help' ;;
  doctor) words='--json --fleet --timeout -h --help' ;;
  forget) words='-h --help' ;;
  help) words='-h --help' ;;
  init) words='--only --tool --no-completion --shims -h --help' ;;
  passphrase) words='set check forget' ;;
  'passphrase set') words='--stdin --host -h --help' ;;
  'passphrase check') words='--host -h --help' ;;
  'passphrase forget') words='--host -h --help' ;;
  profile) words='list show add import edit renew remove default' ;;
  'profile list') words='--json --names -h --help' ;;
  'profile show') words='--json --brief -h --help' ;;
  'profile add') words='--client-cert --client-key --ca-cert --roots --passphrase --extends --remember --handoff --host --path --default --force -h --help' ;;
  'profile import') words='--from --host --sha256 --ca-cert --yes --allow-commands --default --force -h --help' ;;
  'profile edit') words='-h --help' ;;
  'profile renew') words='--all -h --help' ;;
  'profile remove') words='--force -h --help' ;;
  'profile default') words='-h --help' ;;
  shims) words='install remove list' ;;
  'shims install') words='--dir --tool -h --help' ;;
  'shims remove') words='--dir --tool -h --help' ;;
  'shims list') words='--dir --json -h --help' ;;
  uninstall) words='-h --help' ;;
  *) words='' ;;
  esac
}
function _mtls_run_takes {
  case $1 in
  ' -p') takes=profile ;;
  ' --profile') takes=profile ;;
  ' --handoff') takes='memfd supervise gateway' ;;
  allow) takes=directory ;;
  deny) takes=directory ;;
  doctor) takes=text ;;
  'doctor --timeout') takes=text ;;
  help) takes=text ;;
  init) takes='bash zsh fish powershell' ;;
  'init --only') takes='pip pip3 uv uvx' ;;
  'init --tool') takes='curl flit git hatch pdm pipenv pipx poetry twine' ;;
  'passphrase set') takes=profile ;;
  'passphrase set --host') takes=text ;;
  'passphrase check') takes=profile ;;
  'passphrase check --host') takes=text ;;
  'passphrase forget') takes=profile ;;
  'passphrase forget --host') takes=text ;;
  'profile show') takes=profile ;;
  'profile add') takes=text ;;
  'profile add --client-cert') takes=file ;;
  'profile add --client-key') takes=file ;;
  'profile add --ca-cert') takes=file ;;
  'profile add --roots') takes='system public environment none' ;;
  'profile add --passphrase') takes=text ;;
  'profile add --extends') takes=profile ;;
  'profile add --remember') takes=text ;;
  'profile add --handoff') takes='memfd supervise gateway' ;;
  'profile add --host') takes=text ;;
  'profile add --path') takes=text ;;
  'profile import') takes=text ;;
  'profile import --from') takes=file ;;
  'profile import --host') takes=text ;;
  'profile import --sha256') takes=text ;;
  'profile import --ca-cert') takes=file ;;
  'profile renew') takes=profile ;;
  'profile remove') takes=profile ;;
  'profile default') takes=profile ;;
  'shims install --dir') takes=directory ;;
  'shims install --tool') takes=text ;;
  'shims remove --dir') takes=directory ;;
  'shims remove --tool') takes=text ;;
  'shims list --dir') takes=directory ;;
  *) takes='' ;;
  esac
}
