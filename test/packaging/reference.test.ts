import { describe, expect, it } from 'vitest';
import { parseReferenceName, registryAddress, showReference } from '../../src/packaging/registry/reference.ts';
import { parseChallenge } from '../../src/packaging/registry/authorization.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('names of images', () => {
  it.each([
    ['alpine', 'docker.io', 'library/alpine', undefined, undefined],
    ['me/app:1', 'docker.io', 'me/app', '1', undefined],
    ['localhost/app', 'localhost', 'app', undefined, undefined],
    ['localhost:5000/team/app:v1.2_3-x', 'localhost:5000', 'team/app', 'v1.2_3-x', undefined],
    [`ghcr.io/me/app@${digest}`, 'ghcr.io', 'me/app', undefined, digest],
    [`oci://127.0.0.1:5000/a/b__c/d-e:x@${digest}`, '127.0.0.1:5000', 'a/b__c/d-e', 'x', digest],
  ])('%s', (text, registry, repository, tag, wanted) => {
    expect(parseReferenceName(text)).toEqual({ registry, repository, tag, digest: wanted });
  });

  it.each([
    ['Me/App:1', 'lower case'],
    ['a//b', 'separated'],
    ['me/app:', "the tag ''"],
    ['me/app:-x', "the tag '-x'"],
    [`me/app:${'x'.repeat(129)}`, 'the tag'],
    ['me/app@sha256:12', '64 hexadecimal'],
    ['me/app@md5:12', '64 hexadecimal'],
    ['-host.io/a', 'is no host'],
    ['', 'host/team/name:tag'],
    ['a b', 'separated'],
    ['../x', 'no host'],
    ['a/../x', 'separated'],
    ['x'.repeat(600), 'host/team/name:tag'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseReferenceName(text)).toThrow(reason);
  });

  it('shows what it read, and knows where plain HTTP is spoken', () => {
    expect(showReference(parseReferenceName(`ghcr.io/me/app:1@${digest}`))).toBe(`ghcr.io/me/app:1@${digest}`);
    expect(registryAddress('localhost:5000')).toBe('http://localhost:5000');
    expect(registryAddress('127.0.0.1')).toBe('http://127.0.0.1');
    expect(registryAddress('ghcr.io')).toBe('https://ghcr.io');
    expect(registryAddress('docker.io')).toBe('https://registry-1.docker.io');
    expect(registryAddress('127.0.0.1.example.com')).toBe('https://127.0.0.1.example.com');
  });
});

describe('challenges', () => {
  it('are read as registries write them', () => {
    expect(parseChallenge('Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"')).toEqual({ scheme: 'bearer', parameters: { realm: 'https://auth.example/token', service: 'registry', scope: 'repository:a/b:pull,push' } });
    expect(parseChallenge('Basic realm="a \\"quoted\\" one"')).toEqual({ scheme: 'basic', parameters: { realm: 'a "quoted" one' } });
    expect(parseChallenge('Negotiate')).toBeUndefined();
  });
});
