# Written by tests/completion_data.py from mtls-run's commands. Do not edit.
typeset -ga _mtls_run_tools=(pip pip3 uv uvx curl flit git hatch pdm pipenv pipx poetry twine python3) _mtls_run_valued=(-p --profile --handoff)
function _mtls_run_specs {
  case $1 in
  '') specs=('(-p --profile)-p+[Use this profile]:profile:_mtls_run_profiles' '(-p --profile)--profile=[Use this profile]:profile:_mtls_run_profiles' '--no-profile[Run TOOL unchanged]' '--explain[Print what mtls-run would do, and why]' '--json[Output JSON]' '--handoff=[How TOOL gets an identity: memfd, supervise or gateway]:word:(memfd supervise gateway)' '(-q --quiet)-q[Print no notices]' '(-q --quiet)--quiet[Print no notices]' '(-v --verbose)-v[Print each decision on stderr, one on a line]' '(-v --verbose)--verbose[Print each decision on stderr, one on a line]' '--version[Print the version]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  allow) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:directory:_files -/') ;;
  demo) specs=('--gateway[Show the gateway, which keeps the key from pip]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  deny) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:directory:_files -/') ;;
  doctor) specs=('--json[Output JSON]' '--fleet[Output JSON without names, paths and hosts]' '--timeout=[Limit each network step]:text:' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:text:') ;;
  forget) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  help) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:text:') ;;
  init) specs=('*--only=[Wrap only this tool]:word:(pip pip3 uv uvx)' '*--tool=[Also wrap this tool]:word:(curl flit git hatch pdm pipenv pipx poetry twine)' '--no-completion[Print the functions without completion]' '--shims[Also put the directory of the shims first on PATH]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:word:(bash zsh fish powershell)') ;;
  passphrase) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'passphrase set') specs=('--stdin[Read one line from standard input]' '--host=[Take the profile'"'"'s identity for this host]:text:' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  'passphrase check') specs=('--host=[Take the profile'"'"'s identity for this host]:text:' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  'passphrase forget') specs=('--host=[Take the profile'"'"'s identity for this host]:text:' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  profile) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'profile list') specs=('--json[Output JSON]' '--names[Print the names alone, one on a line]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'profile show') specs=('--json[Output JSON]' '--brief[Print the name alone, or nothing if none applies]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  'profile add') specs=('--client-cert=[Certificate: PEM, DER, PKCS#12, pkcs11: URI]:file:_files' '--client-key=[Private key, if it has a file of its own]:file:_files' '*--ca-cert=[Add to the roots]:file:_files' '--roots=[Roots that --ca-cert is added to]:word:(system public environment none)' '--passphrase=[keyring | prompt | env:NAME | file:PATH | command:WORDS (default: keyring)]:text:' '--extends=[Another profile, whose keys this one overrides]:profile:_mtls_run_profiles' '--remember=[Keep the identity unlocked: 8h, 90m]:text:' '--handoff=[How an identity reaches the tool]:word:(memfd supervise gateway)' '*--host=[Show it to HOST]:text:' '*--path=[And below PATH]:text:' '--default[Make it the default profile]' '--force[Replace a profile of this name]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:text:') ;;
  'profile import') specs=('--from=[pip'"'"'s settings (the default), uv'"'"'s variables, or a file]:file:_files' '*--host=[Show it to HOST]:text:' '--sha256=[SHA-256 of the file at URL]:text:' '*--ca-cert=[CA of URL'"'"'s server]:file:_files' '--yes[Take the profiles at URL without a question]' '--allow-commands[With --yes, also those that run programs]' '--default[Make it the default profile]' '--force[Replace a profile of this name]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:text:') ;;
  'profile edit') specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'profile renew') specs=('--all[Renew every profile that has a command]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  'profile remove') specs=('--force[Do not ask]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  'profile default') specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]' '*:profile:_mtls_run_profiles') ;;
  shims) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'shims install') specs=('--dir=[Use this directory]:directory:_files -/' '*--tool=[Also make a shim for this program]:text:' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'shims remove') specs=('--dir=[Use this directory]:directory:_files -/' '*--tool=[Remove only this one]:text:' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  'shims list') specs=('--dir=[Use this directory]:directory:_files -/' '--json[Output JSON]' '(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  uninstall) specs=('(-h --help)-h[Print this help]' '(-h --help)--help[Print this help]') ;;
  *) specs=() ;;
  esac
}
function _mtls_run_commands {
  case $1 in
  '') subcommands=('allow:Trust the project file of DIR, or of the current directory, as it is now' 'demo:Show what mtls-run does, on this machine' 'deny:Distrust the project file of DIR, or of the current directory, until it is allowed again' 'doctor:Check profile, identity, roots and tools, connect to each URL, and report what is wrong' 'forget:Forget every identity that this login session keeps unlocked' 'help:Print the help of mtls-run, or that of COMMAND' 'init:Print shell code to evaluate when a shell starts' 'passphrase:Keep the passphrase of a profile'"'"'s key in the keyring' 'profile:Show and change the profiles of your configuration' 'shims:Make programs called pip, pip3, uv and uvx that start mtls-run' 'uninstall:Remove the shims, the line in a shell'"'"'s startup file, the cache and the state') ;;
  passphrase) subcommands=('set:Store the passphrase, after a check that it opens the key' 'check:Open the key with the passphrase that a run would use' 'forget:Delete the stored passphrase') ;;
  profile) subcommands=('list:List the profiles, and where each one applies' 'show:Show a profile, and the origin of each value' 'add:Add the profile NAME, after a check that it works' 'import:Make a profile from settings or a file, or take those at a URL' 'edit:Edit a copy of the configuration with $VISUAL, $EDITOR or vi' 'renew:Renew the identity of a profile, if that is due' 'remove:Remove the profile NAME, and its passphrase from the keyring' 'default:Make NAME the default profile') ;;
  shims) subcommands=('install:Install shims for pip, pip3, uv, uvx and each --tool' 'remove:Remove the shims, or those that --tool names' 'list:List the shims, and the tool that each runs') ;;
  *) subcommands=() ;;
  esac
}
