// The style sheet inside the SVG flame graph: light and dark, hover, zoom, search.

/** Constant text: whatever a user can choose is an attribute of the document, where CSS cannot be broken out of. */
export const FLAME_GRAPH_STYLE = `
  .bar { display: none; fill: #f6f6f2; fill-opacity: 0.93; }
  .afloat > .bar { display: inline; }
  text { fill: #000; white-space: pre; }
  #title, #subtitle, #losses, #side-a, #side-b, #legend { text-anchor: middle; }
  #subtitle, #details, #side-a, #side-b, #legend { fill: #444; }
  #losses { fill: #b00020; }
  #search, #case, #matched { text-anchor: end; }
  #reset, #search, #case { cursor: pointer; }
  #search, #case { opacity: 0.45; }
  #search:hover, #search:focus, #search.on, #case:hover, #case:focus, #case.on { opacity: 1; }
  #case.on { font-weight: bold; text-decoration: underline; }
  #frames { outline: none; }
  #frames > g { cursor: pointer; }
  #frames > g:hover > rect, #frames:focus > .cursor > rect { stroke: #000; stroke-width: 1; }
  #frames rect { rx: 2px; }
  #frames text { pointer-events: none; }
  .parent { opacity: 0.5; }
  .match > rect { fill: #e64be6; }
  .hide { display: none; }
  #term { box-sizing: border-box; width: 100%; font: inherit; }
  #term.wrong { outline: 2px solid #b00020; }
  @media (prefers-color-scheme: dark) {
    #background, .bar { fill: #1d1f21; }
    text { fill: #e8e8e8; }
    #subtitle, #details, #side-a, #side-b, #legend { fill: #b8b8b8; }
    #losses { fill: #ff8a80; }
    #frames text { fill: #000; }
    #frames > g:hover > rect, #frames:focus > .cursor > rect { stroke: #fff; }
  }
`;
