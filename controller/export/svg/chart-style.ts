// The style sheet of charts: histograms, heat maps, counters; light and dark, screen and paper. Constant text, nothing of a user's in it.

/** Shades of heat maps, 1 (few) to 10 (many). */
export const SHADES = 10;

/** Colours of a heat map from few to many; on dark ground the other way round, so that many always stands out from the ground. */
export type HeatPaletteName = 'heat' | 'blue' | 'green' | 'grey';

/** Four colours each, between which the shades are spread evenly; brightness falls all the way, for those who see no hues. */
const HEAT_STOPS: Readonly<Record<HeatPaletteName, readonly [string, string, string, string]>> = {
  heat: ['#fde3a7', '#f58b4c', '#c42f5e', '#4a1369'],
  blue: ['#d6e8f7', '#7fb6e0', '#2f75b5', '#0f2f63'],
  green: ['#e3f1c4', '#7cc47f', '#21808a', '#2b1a59'],
  grey: ['#e2e2e2', '#a8a8a8', '#686868', '#1c1c1c'],
};

export const HEAT_PALETTES = Object.keys(HEAT_STOPS) as readonly HeatPaletteName[];

export const CHART_STYLE = `
  .pt-chart { --pt-ground: #ffffff; --pt-panel: #fafafa; --pt-ink: #1d2733; --pt-soft: #5d6b7a; --pt-line: #dde3ea; --pt-bar: #3b78b8;
    --pt-bar-on: #1f4f86; --pt-mark: #b3372f; --pt-mark-2: #b06a00; --pt-halo: #ffffff; --pt-warn: #a8071a;
    font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
  .pt-chart text { fill: var(--pt-ink); font-size: 12px; white-space: pre; }
  .pt-chart .pt-ground { fill: var(--pt-ground); }
  .pt-chart .pt-panel { fill: var(--pt-panel); }
  .pt-chart .pt-title { font-size: 16px; font-weight: 600; }
  .pt-chart .pt-name { font-size: 13px; font-weight: 600; }
  .pt-chart .pt-soft { fill: var(--pt-soft); font-size: 11px; }
  .pt-chart .pt-warn { fill: var(--pt-warn); font-size: 11px; }
  .pt-chart .pt-end { text-anchor: end; }
  .pt-chart .pt-middle { text-anchor: middle; }
  .pt-chart .pt-grid { stroke: var(--pt-line); stroke-width: 1; shape-rendering: crispEdges; }
  .pt-chart .pt-axis { stroke: var(--pt-soft); stroke-width: 1; shape-rendering: crispEdges; }
  .pt-chart .pt-bar { fill: var(--pt-bar); }
  .pt-chart .pt-hit { fill: transparent; }
  .pt-chart .pt-hit:hover { fill: var(--pt-ink); fill-opacity: 0.06; }
  .pt-chart g:hover > .pt-bar { fill: var(--pt-bar-on); }
  .pt-chart .pt-p50, .pt-chart .pt-p90, .pt-chart .pt-p99, .pt-chart .pt-p999 { stroke: var(--pt-mark); stroke-width: 1.5; fill: none; }
  .pt-chart .pt-p50 { stroke: var(--pt-ink); }
  .pt-chart .pt-p90 { stroke: var(--pt-mark-2); stroke-dasharray: 5 3; }
  .pt-chart .pt-p999 { stroke-dasharray: 2 3; }
  .pt-chart .pt-course { stroke-width: 2; stroke-linejoin: round; }
  .pt-chart .pt-halo { stroke: var(--pt-halo); stroke-width: 4.5; stroke-opacity: 0.75; fill: none; stroke-linejoin: round; }
  .pt-chart .pt-mark { font-size: 11px; font-weight: 600; paint-order: stroke; stroke: var(--pt-halo); stroke-width: 3px; stroke-linejoin: round; }
  .pt-chart .pt-area { fill: var(--pt-bar); fill-opacity: 0.18; }
  .pt-chart .pt-course-line { stroke: var(--pt-bar); stroke-width: 1.75; fill: none; stroke-linejoin: round; }
  .pt-chart .pt-cell { shape-rendering: crispEdges; }
  .pt-chart .pt-cell:hover { stroke: var(--pt-ink); stroke-width: 1.5; }
${heatRules((shade) => shade)}
  @media (prefers-color-scheme: dark) { @media screen {
    .pt-chart { --pt-ground: #14181d; --pt-panel: #1a1f26; --pt-ink: #e6eaf0; --pt-soft: #97a3b2; --pt-line: #2b333d; --pt-bar: #6aa8e8;
      --pt-bar-on: #a5cdf7; --pt-mark: #ff8f85; --pt-mark-2: #f2b45a; --pt-halo: #14181d; --pt-warn: #ff8a80; }
${heatRules((shade) => SHADES + 1 - shade)}
  } }
`;

/** `#rrggbb` of a shade, 1 to SHADES, on light ground. */
export function heatColour(palette: HeatPaletteName, shade: number): string {
  const stops = HEAT_STOPS[palette];
  const place = ((shade - 1) / (SHADES - 1)) * (stops.length - 1);
  const at = Math.min(stops.length - 2, Math.floor(place));
  const [from, to] = [channels(stops[at]), channels(stops[at + 1])];
  const mixed = from.map((value, i) => Math.round(value + (to[i] - value) * (place - at)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

function heatRules(shown: (shade: number) => number): string {
  return HEAT_PALETTES.flatMap((palette) =>
    Array.from(
      { length: SHADES },
      (_, i) => `  .pt-${palette}-${i + 1} { fill: ${heatColour(palette, shown(i + 1))}; }`,
    ),
  ).join('\n');
}

function channels(colour: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}
