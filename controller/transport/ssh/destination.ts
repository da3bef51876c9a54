// Where ssh goes: `user@host:port` as a person writes it, checked so that it can be no option and no path.
import { isIP } from 'node:net';

export interface SshDestination {
  /** A name, an alias of ssh's configuration, or an address (IPv6 without brackets). */
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
}

const form = /^(?:(?<user>[^@\s]+)@)?(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<host>[^\s:@[\]]+))(?::(?<port>[0-9]{1,5}))?$/;
/** First a letter, digit or underscore: neither an option nor a path. */
const hostForm = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/;
const userForm = /^[A-Za-z0-9_][A-Za-z0-9._\\-]{0,63}$/;

/** undefined for what is no destination. */
export function parseDestination(text: string): SshDestination | undefined {
  const groups = form.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { user, v6, host, port } = groups;
  if (v6 !== undefined && isIP(v6) !== 6) return undefined;
  if (host !== undefined && !hostForm.test(host)) return undefined;
  if (user !== undefined && !userForm.test(user)) return undefined;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined;
  return {
    host: v6 ?? host,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

export function destinationText({ host, user, port }: SshDestination): string {
  const place = isIP(host) === 6 ? `[${host}]` : host;
  return `${user === undefined ? '' : `${user}@`}${place}${port === undefined ? '' : `:${port}`}`;
}
