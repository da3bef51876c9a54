// The style sheet of the HTML report: screen and paper, light and dark. Constant text.

export const REPORT_STYLE = `
  :root { color-scheme: light dark; --ground: #f3f5f8; --card: #ffffff; --ink: #1d2733; --soft: #5d6b7a; --line: #dde3ea; --accent: #2764a8;
    --good: #17694a; --good-ground: #e2f4ec; --bad: #a8071a; --bad-ground: #fdecec; --warn: #8a5200; --warn-ground: #fff3dc; }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
  main { max-width: 1240px; margin: 0 auto; padding: 28px 24px 56px; }
  h1 { font-size: 26px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
  h2 { font-size: 18px; margin: 0 0 4px; }
  h3 { font-size: 15px; margin: 18px 0 6px; overflow-wrap: anywhere; }
  p { margin: 6px 0; max-width: 110ch; overflow-wrap: anywhere; }
  a { color: var(--accent); }
  nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 20px; font-size: 14px; }
  section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px 20px; margin: 0 0 18px; overflow-x: auto; }
  .lead, .soft { color: var(--soft); }
  .lead { margin: 4px 0 0; }
  .soft { font-size: 13px; }
  dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 12px 24px; margin: 10px 0 0; }
  dl.facts div { min-width: 0; }
  dl.facts div.wide { grid-column: 1 / -1; }
  dt { color: var(--soft); font-size: 12px; }
  dd { margin: 0; overflow-wrap: anywhere; }
  table { border-collapse: collapse; font-size: 14px; width: 100%; font-variant-numeric: tabular-nums; }
  caption { text-align: left; color: var(--soft); font-size: 13px; padding: 0 0 6px; caption-side: bottom; padding-top: 8px; }
  th { text-align: left; font-weight: 600; color: var(--soft); font-size: 12px; white-space: nowrap; vertical-align: bottom; }
  th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); }
  td { vertical-align: top; }
  tr:last-child td { border-bottom: 0; }
  td.text { overflow-wrap: anywhere; min-width: 12ch; }
  .number { text-align: right; white-space: nowrap; }
  tr.outlier td { background: var(--warn-ground); }
  .mark { display: inline-block; border-radius: 99px; padding: 0 9px; font-size: 12px; line-height: 20px; white-space: nowrap; background: var(--ground); color: var(--soft); }
  .mark.good { background: var(--good-ground); color: var(--good); }
  .mark.bad { background: var(--bad-ground); color: var(--bad); }
  .mark.warn { background: var(--warn-ground); color: var(--warn); }
  .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); gap: 12px; margin: 18px 0 14px; }
  .tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 16px; min-width: 0; overflow-wrap: anywhere; }
  .tile b { display: block; font-size: 21px; line-height: 1.3; font-variant-numeric: tabular-nums; }
  .tile span { display: block; color: var(--soft); font-size: 12px; line-height: 1.35; }
  .tile.warn { border-color: var(--warn); }
  .tile.warn b { color: var(--warn); }
  .note { border-left: 4px solid var(--warn); background: var(--warn-ground); padding: 8px 14px; border-radius: 0 6px 6px 0; margin: 10px 0; }
  figure { margin: 10px 0 0; }
  figure svg { display: block; max-width: 100%; height: auto; }
  pre { background: var(--ground); border-radius: 6px; padding: 10px 12px; margin: 8px 0 0; overflow: auto; max-height: 420px; font: 12px/1.45 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
  .number-of-line { color: var(--soft); user-select: none; }
  footer { color: var(--soft); font-size: 12px; }
  @media (prefers-color-scheme: dark) { @media screen {
    :root { --ground: #0f1216; --card: #14181d; --ink: #e6eaf0; --soft: #97a3b2; --line: #2b333d; --accent: #82b8f0;
      --good: #7fd6b0; --good-ground: #12352a; --bad: #ff9b93; --bad-ground: #431a1c; --warn: #f2c078; --warn-ground: #3a2b10; }
  } }
  @media print {
    :root { --ground: #ffffff; }
    body { font-size: 11px; }
    main { max-width: none; padding: 0; }
    nav { display: none; }
    section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 12px 0; overflow: visible; }
    table { font-size: 11px; }
    tr, figure, .tile, h2, h3 { break-inside: avoid; }
    h2, h3 { break-after: avoid; }
    pre { max-height: none; white-space: pre-wrap; }
  }
`;
