// Units and containers as they show in cgroup paths.
import type { HostFiles } from './host-files.js';

const UNIT_SUFFIX = /\.(?:service|scope|slice|socket|mount|swap)$/;
/** Container ids in cgroup paths: `/docker/ID`, `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID`, `libpod-ID.scope`. */
const CONTAINER_ID = /[0-9a-f]{64}/g;
/** Containers that the path calls by name: systemd-nspawn and LXC. */
const NAMED_CONTAINER = /(?:machine-(?<nspawn>[^/]+)\.scope|lxc\.payload[./](?<payload>[^/]+)|\/lxc\/(?<lxc>[^/]+))/;

export function isInUnit(paths: readonly string[], unit: string): boolean {
  const name = UNIT_SUFFIX.test(unit) ? unit : `${unit}.service`;
  return paths.some((path) => path.split('/').includes(name));
}

/** @param ids what `containerIds` found for `container` */
export function isInContainer(paths: readonly string[], container: string, ids: readonly string[]): boolean {
  return paths.some((path) => {
    const named = NAMED_CONTAINER.exec(path)?.groups;
    if (named !== undefined && Object.values(named).includes(container)) return true;
    return (path.match(CONTAINER_ID) ?? []).some((id) => ids.some((prefix) => id.startsWith(prefix)));
  });
}

/** Id prefixes that `container` can mean: itself when it looks like one, and the ids of engines that know it by name. */
export function containerIds(files: HostFiles, container: string): string[] {
  const ids = /^[0-9a-f]{4,64}$/.test(container) ? [container] : [];
  return [...ids, ...dockerIds(files, container), ...podmanIds(files, container)];
}

function dockerIds(files: HostFiles, name: string): string[] {
  const directory = '/var/lib/docker/containers';
  return files.names(directory).filter((id) => {
    const config = parse(files.text(`${directory}/${id}/config.v2.json`));
    return typeof config === 'object' && config !== null && 'Name' in config && config.Name === `/${name}`;
  });
}

function podmanIds(files: HostFiles, name: string): string[] {
  const list = parse(files.text('/var/lib/containers/storage/overlay-containers/containers.json'));
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('id' in entry && 'names' in entry)) return [];
    const { id, names } = entry;
    return typeof id === 'string' && Array.isArray(names) && names.includes(name) ? [id] : [];
  });
}

/** A file that another program is just writing may be cut short: then it names no container. */
function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
