# Written by tests/completion_data.py from mtls-run's commands. Do not edit.
typeset -ga _mtls_run_tools=(pip pip3 uv uvx python3) _mtls_run_valued=(-p --profile --handoff)
function _mtls_run_specs {
  case $1 in
  '') specs=('(-p --profile)-p+[use this profile]:profile:_mtls_run_profiles' '(-p --profile)--profile=[use this profile]:profile:_mtls_run_profiles' '--no-profile[run TOOL unchanged]' '--explain[say what would be done, and why]' '--json[the same as JSON]' '--handoff=[how an unlocked identity reaches TOOL]:word:(memfd supervise)' '(-q --quiet)-q[no notices (errors stay)]' '(-q --quiet)--quiet[no notices (errors stay)]' '(-v --verbose)-v[one line per decision, on stderr]' '(-v --verbose)--verbose[one line per decision, on stderr]' '--version[show the version]' '(-h --help)-h[show the help]' '(-h --help)--help[show the help]') ;;
  allow) specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:directory:_files -/') ;;
  demo) specs=('(-h --help)-h[show this help]' '(-h --help)--help[show this help]') ;;
  deny) specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:directory:_files -/') ;;
  doctor) specs=('--json[Answer with one JSON object]' '--timeout=[Seconds that each step of the network may take]:text:' '(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:text:') ;;
  forget) specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  init) specs=('*--only=[wrap only this tool]:word:(pip pip3 uv uvx)' '--no-completion[print the functions without completion]' '--shims[also put the directory of the shims first on PATH]' '(-h --help)-h[show this help]' '(-h --help)--help[show this help]' '*:word:(bash zsh fish powershell)') ;;
  passphrase) specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'passphrase set') specs=('--stdin[Read it from standard input, one line]' '(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:profile:_mtls_run_profiles') ;;
  'passphrase check') specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:profile:_mtls_run_profiles') ;;
  'passphrase forget') specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:profile:_mtls_run_profiles') ;;
  profile) specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'profile list') specs=('--json[The same as JSON]' '--names[The names alone, a line each]' '(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'profile show') specs=('--json[The same as JSON]' '--brief[The name alone, nothing where none applies]' '(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:profile:_mtls_run_profiles') ;;
  'profile add') specs=('--client-cert=[PEM, DER or PKCS#12]:file:_files' '--client-key=[Where the key is a file of its own]:file:_files' '*--ca-cert=[Added to the roots]:file:_files' '--roots=[What --ca-cert is added to]:word:(system public environment none)' '--passphrase=[keyring | prompt | env:NAME | file:PATH | command:WORDS (default: keyring)]:text:' '--extends=[A profile whose keys this one overrides]:profile:_mtls_run_profiles' '--remember=[Keep it unlocked this long: 8h, 90m]:text:' '--default[Make it the default profile]' '--force[Replace a profile of this name]' '(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:text:') ;;
  'profile import') specs=('--from=[pip'"'"'s settings (the default), uv'"'"'s variables, or a .p12, .pfx or PEM file]:file:_files' '--default[Make it the default profile]' '--force[Replace a profile of this name]' '(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:text:') ;;
  'profile edit') specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'profile remove') specs=('--force[Also take away what names it]' '(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:profile:_mtls_run_profiles') ;;
  'profile default') specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]' '*:profile:_mtls_run_profiles') ;;
  shims) specs=('(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'shims install') specs=('--dir=[Another directory for them]:directory:_files -/' '*--tool=[For this program as well]:text:' '(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'shims remove') specs=('--dir=[Another directory for them]:directory:_files -/' '*--tool=[This one alone]:text:' '(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  'shims list') specs=('--dir=[Another directory for them]:directory:_files -/' '--json[The same as JSON]' '(-h --help)-h[show help]' '(-h --help)--help[show help]') ;;
  *) specs=() ;;
  esac
}
function _mtls_run_commands {
  case $1 in
  '') subcommands=('allow:Let the project file of DIR (the current directory) count, as it is now' 'demo:Show what mtls-run does, on this machine' 'deny:Distrust the project file of DIR (the current directory), until `allow` is said again' 'doctor:Examine profile, identity, roots and tools' 'forget:Forget every identity that this login session keeps unlocked' 'init:Print shell code to evaluate when a shell starts' 'passphrase:Keep the passphrase of a profile'"'"'s key in the keyring' 'profile:Look at the profiles of your configuration, and change them' 'shims:Put programs called pip, pip3, uv and uvx on PATH, each of which calls mtls-run') ;;
  passphrase) subcommands=('set:Store the passphrase, once it is seen to open the key' 'check:Open the key with the passphrase that a run would use, and say so' 'forget:Delete the stored passphrase') ;;
  profile) subcommands=('list:List the profiles, and where each applies' 'show:Show a profile, and what says each value' 'add:Add the profile NAME, checked before it is written' 'import:Make a profile NAME of what is there already' 'edit:Open the configuration in an editor' 'remove:Remove the profile NAME, and forget its passphrase' 'default:Make NAME the default profile') ;;
  shims) subcommands=('install:Install shims for pip, pip3, uv and uvx, and for what --tool names' 'remove:Remove the shims, or those that --tool names' 'list:Say of each shim whether PATH reaches it, and what it runs') ;;
  *) subcommands=() ;;
  esac
}
