// The three functions of the reflect-metadata proposal that the dependency injection inside @peculiar/x509 needs to load.
// Import this before that package. It leaves a Reflect alone that has them already.

type Key = string | symbol | undefined;

const metadata = new WeakMap<object, Map<Key, Map<unknown, unknown>>>();

function ownMetadata(key: unknown, target: object, property?: string | symbol): unknown {
  return metadata.get(target)?.get(property)?.get(key);
}

function inheritedMetadata(key: unknown, target: object, property?: string | symbol): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at)) {
    if (metadata.get(at)?.get(property)?.has(key)) return ownMetadata(key, at, property);
  }
  return undefined;
}

function defineMetadata(key: unknown, value: unknown, target: object, property?: string | symbol): void {
  const ofTarget = metadata.get(target) ?? new Map<Key, Map<unknown, unknown>>();
  const ofProperty = ofTarget.get(property) ?? new Map<unknown, unknown>();
  metadata.set(target, ofTarget.set(property, ofProperty.set(key, value)));
}

if (!('getMetadata' in Reflect)) {
  const define = (name: string, value: unknown) =>
    Object.defineProperty(Reflect, name, { value, writable: true, configurable: true });
  define('defineMetadata', defineMetadata);
  define('getOwnMetadata', ownMetadata);
  define('getMetadata', inheritedMetadata);
}
