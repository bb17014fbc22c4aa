/** The page's style: light and dark by what the reader prefers, one column on a phone. */

export const style = `
:root { --back: #f6f7f8; --card: #fff; --ink: #1c2126; --quiet: #59636e; --line: #d9dee3; --good: #1f7a4d; --warn: #96590a; --bad: #b42318; --accent: #1a5fb4; --second: #a3530b; --bad-back: #fdeceA; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171a; --card: #1d2125; --ink: #e6e9ec; --quiet: #a2abb4; --line: #353b41; --good: #5cc98d; --warn: #e3a84e; --bad: #ff8a80; --accent: #7fb4f5; --second: #eda35c; --bad-back: #43201d; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: baseline; justify-content: space-between; padding: 1rem 1.25rem .5rem; max-width: 1240px; margin: 0 auto; }
h1 { font-size: 1.35rem; margin: 0; }
h1 span { color: var(--quiet); font-weight: 400; font-size: 1rem; }
h2 { font-size: 1rem; margin: 0 0 .6rem; }
nav { max-width: 1240px; margin: 0 auto; padding: 0 1.25rem .5rem; display: flex; flex-wrap: wrap; gap: .25rem 1rem; }
a { color: var(--accent); }
main, footer { max-width: 1240px; margin: 0 auto; padding: 0 1.25rem; }
footer { color: var(--quiet); padding-block: 1rem 2rem; font-size: .85rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem; margin-bottom: 1rem; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 1rem; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .4rem .8rem; z-index: 2; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#health { margin: 0; font-weight: 600; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; background: var(--quiet); margin-right: .45em; }
[data-health=good] .dot { background: var(--good); } [data-health=good] { color: var(--good); }
[data-health=bad] .dot { background: var(--bad); border-radius: 0; } [data-health=bad] { color: var(--bad); }
#alarm { max-width: calc(1240px - 2.5rem); margin: 0 auto 1rem; padding: .8rem 1rem; border: 2px solid var(--bad); background: var(--bad-back); border-radius: 8px; font-weight: 600; }
#unseen { max-width: calc(1240px - 2.5rem); margin: 0 auto 1rem; padding: .6rem 1rem; border: 1px solid var(--line); border-radius: 8px; color: var(--quiet); }
#unseen p, #unseen ul { margin: 0; } #unseen[hidden], #charts[hidden] { display: none; }
#alarm[hidden] { display: none; }
#alarm p { margin: 0; } #alarm p + p { margin-top: .4rem; }
.tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: .6rem 1rem; margin: 0; }
.tile dt { color: var(--quiet); font-size: .85rem; } .tile dd { margin: 0; }
.tile b { font-size: 1.5rem; font-variant-numeric: tabular-nums; display: block; line-height: 1.25; } .tile small { color: var(--quiet); }
.tile[data-health=bad] b { color: var(--bad); } .tile[data-health=warn] b { color: var(--warn); }
figure { margin: 0; } figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--quiet); font-size: .85rem; display: flex; flex-wrap: wrap; gap: 0 1rem; }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; } .line-0, .line-1 { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line-0 { stroke: var(--accent); } .line-1 { stroke: var(--second); stroke-dasharray: 5 3; }
.dot-0 { fill: var(--accent); } .dot-1 { fill: var(--second); }
.key-0::before, .key-1::before { content: ''; display: inline-block; width: 1.4em; margin-right: .4em; vertical-align: middle; border-top: 2px solid var(--accent); } .key-1::before { border-top: 2px dashed var(--second); }
.scroll { overflow: auto; max-height: 21rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--quiet); position: sticky; top: 0; background: var(--card); }
th, td { padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td code, td small { overflow-wrap: anywhere; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.when { white-space: nowrap; font-variant-numeric: tabular-nums; }
td small { color: var(--quiet); display: block; }
td.none { color: var(--quiet); }
code { font: .92em ui-monospace, monospace; overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; } form[hidden] { display: none; }
input { flex: 1 1 14rem; min-width: 0; padding: .4rem .6rem; font: inherit; color: inherit; background: var(--back); border: 1px solid var(--quiet); border-radius: 5px; }
button { font: inherit; padding: .4rem .8rem; min-height: 2.2rem; color: inherit; background: var(--back); border: 1px solid var(--quiet); border-radius: 5px; cursor: pointer; }
button.danger { background: var(--bad); border-color: var(--bad); color: var(--card); }
.tree, .tree ul { list-style: none; margin: 0; padding: 0; } .tree ul { padding-left: 1.1rem; }
.tree { margin: .4rem 0 1rem; max-height: 30rem; overflow: auto; }
.row { display: flex; gap: .6rem; align-items: center; border-bottom: 1px solid var(--line); padding: .15rem 0; min-height: 2.2rem; }
.row .name { flex: 1 1 auto; min-width: 0; overflow-wrap: anywhere; } .row .meta { color: var(--quiet); font-size: .85rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.row button { padding: .1rem .5rem; min-height: 1.9rem; } .row button.toggle { text-align: left; border-color: transparent; background: none; padding-left: 0; font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
.toggle::before { content: '▸' / ''; display: inline-block; width: 1.1em; } .toggle[aria-expanded=true]::before { content: '▾' / ''; }
.leaf { font: .95em ui-monospace, monospace; padding-left: 1.05em; }
dialog { border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink); max-width: min(32rem, 92vw); } dialog::backdrop { background: #0008; }
dialog form { display: block; } .buttons { display: flex; gap: .6rem; justify-content: flex-end; }
#doctor-findings { list-style: none; padding: 0; } #doctor-findings li { padding: .4rem 0; border-bottom: 1px solid var(--line); }
.level { display: inline-block; min-width: 3.2em; font-weight: 700; } .level-ok { color: var(--good); } .level-warn { color: var(--warn); } .level-fail { color: var(--bad); }
.sign-in main { max-width: 24rem; margin: 15vh auto; } .sign-in form { margin-top: 1rem; }
@media (max-width: 760px) {
  .pair { grid-template-columns: minmax(0, 1fr); } .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  header, nav, main, footer { padding-inline: .75rem; } #alarm { margin-inline: .75rem; } section { padding: .8rem .75rem; }
  th, td { padding-right: .5rem; } .row .meta { white-space: normal; text-align: right; }
  #table-evictions thead, #table-faults thead, #table-nodes thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  #table-evictions tr, #table-faults tr, #table-nodes tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  #table-evictions td, #table-faults td, #table-nodes td { display: block; border: 0; padding: 0; text-align: left; }
  td:empty { display: none !important; }
  td[data-label]::before { content: attr(data-label) ': '; color: var(--quiet); }
}
`
