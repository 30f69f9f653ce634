/** What is in an image and how it was made, in the forms that scanners and policy checkers read: SPDX 2.3 and in-toto with SLSA's provenance 1.0. */
import { createHash } from 'node:crypto';
import type { BuiltPlatform } from '../../packaging/image/build-image.ts';
import { version } from '../../version.ts';
import type { Component } from './plan-layers.ts';

export const spdxMediaType = 'application/spdx+json';
export const inTotoMediaType = 'application/vnd.in-toto+json';

/** https://spdx.github.io/spdx-spec/v2.3/ */
export function spdxDocument(name: string, built: BuiltPlatform, components: readonly Component[], created: string): object {
  const { digest } = built.content.descriptor;
  const root = 'SPDXRef-image';
  const packages = components.map((component, index) => ({
    SPDXID: `SPDXRef-package-${index}`,
    name: component.name,
    versionInfo: component.version,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: component.licence !== undefined && /^[\w.+()-]+(?: (?:AND|OR|WITH) [\w.+()-]+)*$/.test(component.licence) ? component.licence : 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: packageUrl(component, built.platform.architecture) }],
    ...(component.sha256 === undefined ? {} : { checksums: [{ algorithm: 'SHA256', checksumValue: component.sha256 }] }),
  }));
  const weights = built.layers.filter(({ title }) => title.startsWith('weights ')).map(({ title, descriptor }, index) => ({
    SPDXID: `SPDXRef-weights-${index}`,
    name: title.slice('weights '.length),
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    comment: `the only file of the layer ${descriptor.digest}`,
  }));
  const all = [...packages, ...weights];
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://modelport.invalid/spdx/${createHash('sha256').update(digest).digest('hex')}`,
    creationInfo: { created, creators: [`Tool: modelport-${version}`] },
    packages: [{ SPDXID: root, name, versionInfo: digest, downloadLocation: 'NOASSERTION', filesAnalyzed: false, licenseConcluded: 'NOASSERTION', licenseDeclared: 'NOASSERTION', copyrightText: 'NOASSERTION', checksums: [{ algorithm: 'SHA256', checksumValue: digest.slice('sha256:'.length) }] }, ...all],
    relationships: [{ spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root }, ...all.map(({ SPDXID }) => ({ spdxElementId: root, relationshipType: 'CONTAINS', relatedSpdxElement: SPDXID }))],
  };
}

/** https://github.com/package-url/purl-spec */
function packageUrl({ kind, name, version: packageVersion }: Component, architecture: string): string {
  const at = encodeURIComponent(packageVersion);
  if (kind === 'debian') return `pkg:deb/debian/${name}@${at}?arch=${architecture}`;
  if (kind === 'runtime') return `pkg:generic/${name}@${at}`;
  const [scope, rest] = name.startsWith('@') ? name.split('/') : [undefined, name];
  return scope === undefined ? `pkg:npm/${rest}@${at}` : `pkg:npm/${encodeURIComponent(scope)}/${rest}@${at}`;
}

/** https://slsa.dev/spec/v1.0/provenance; not signed: whoever signs images signs this too. */
export function provenanceStatement(name: string, built: BuiltPlatform, components: readonly Component[], parameters: object): object {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name, digest: { sha256: built.content.descriptor.digest.slice('sha256:'.length) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'https://modelport.invalid/build/v1',
        externalParameters: parameters,
        internalParameters: {},
        resolvedDependencies: [
          ...(built.base === undefined ? [] : [{ uri: built.base.name, digest: { sha256: built.base.digest.slice('sha256:'.length) } }]),
          ...components.map((component) => ({ uri: packageUrl(component, built.platform.architecture), ...(component.sha256 === undefined ? {} : { digest: { sha256: component.sha256 } }) })),
          ...built.layers.map(({ title, diffId }) => ({ name: title, digest: { sha256: diffId.slice('sha256:'.length) } })),
        ],
      },
      runDetails: { builder: { id: `https://modelport.invalid/modelport@${version}` } },
    },
  };
}
