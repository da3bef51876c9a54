// Colours for a terminal, and none where there is no terminal or the person said NO_COLOR (https://no-color.org).

export interface Colours {
  readonly isOn: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
}

export function colours(isTty: boolean, env: Readonly<Record<string, string | undefined>>): Colours {
  const isOn = isTty && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  const paint = (code: number) => (text: string) => (isOn && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { isOn, bold: paint(1), dim: paint(2), red: paint(31), green: paint(32), yellow: paint(33) };
}
