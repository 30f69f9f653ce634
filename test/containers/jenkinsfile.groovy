/**
 * Reads a declarative Jenkinsfile with the Groovy that Jenkins has (2.4), holds its blocks against what the documentation of declarative pipelines allows
 * (https://www.jenkins.io/doc/book/pipeline/syntax/), as far as ours use it, and runs its `sh` steps as an agent does: sh -xe. It is not Jenkins.
 *
 *     groovy jenkinsfile.groovy Jenkinsfile
 *
 * BRANCH_NAME says whose branch it is, CHANGE_TARGET that it is a change. Prints `stage NAME` for each stage that runs, `skip NAME` for others.
 */
class Block {
  final String place
  final Map<String, Closure> allowed
  final Set<String> seen = new LinkedHashSet()

  Block(String place, Map<String, Closure> allowed) {
    this.place = place
    this.allowed = allowed
  }

  def methodMissing(String name, args) {
    def known = allowed[name]
    if (known == null) throw new IllegalArgumentException("${place} has no '${name}'; it has ${allowed.keySet().join(', ')}")
    seen << name
    return known(*args)
  }

  Set<String> read(Closure body, List<String> required = []) {
    body.delegate = this
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    for (name in required) if (!(name in seen)) throw new IllegalArgumentException("${place} lacks '${name}'")
    return seen
  }
}

/** Assignments of texts, which may name variables that are there already as `env.NAME`. */
class Environment {
  final Map variables

  Environment(Map variables) {
    this.variables = variables
  }

  def propertyMissing(String name) {
    if (name != 'env') throw new IllegalArgumentException("environment knows no '${name}'")
    return variables
  }

  void propertyMissing(String name, value) {
    if (!(value instanceof CharSequence)) throw new IllegalArgumentException("environment: ${name} is no text")
    variables[name] = value
  }

  def methodMissing(String name, args) {
    throw new IllegalArgumentException("environment has no '${name}'")
  }
}

def variables = new LinkedHashMap(System.getenv())
def credentials = [:]

def sh = { String text ->
  def builder = new ProcessBuilder('sh', '-xe', '-c', text).inheritIO()
  builder.environment().clear()
  builder.environment().putAll((variables + credentials).collectEntries { key, value -> [(key.toString()): value.toString()] })
  def code = builder.start().waitFor()
  if (code != 0) throw new IllegalStateException("sh ended with ${code}")
}

Closure stepsOf
stepsOf = { String place, Closure body ->
  new Block(place, [
    sh: sh,
    withCredentials: { List bindings, Closure inner ->
      for (binding in bindings) {
        for (name in binding) {
          if (System.getenv(name) == null) throw new IllegalStateException("no credential for ${name}")
          credentials[name] = System.getenv(name)
        }
      }
      stepsOf(place, inner)
      credentials.clear()
    },
    usernamePassword: { Map given ->
      assert given.keySet() == ['credentialsId', 'usernameVariable', 'passwordVariable'] as Set
      [given.usernameVariable, given.passwordVariable]
    },
    file: { Map given ->
      assert given.keySet() == ['credentialsId', 'variable'] as Set
      [given.variable]
    },
    junit: { Map given -> assert given.keySet() == ['allowEmptyResults', 'testResults'] as Set; println "junit ${given.testResults}" },
    archiveArtifacts: { Map given -> assert given.keySet() == ['allowEmptyArchive', 'artifacts'] as Set; println "archive ${given.artifacts}" },
  ]).read(body)
}

def stages = []
def post = null
def pipeline = { Closure body ->
  new Block('pipeline', [
    agent: { Closure inner -> new Block('agent', [docker: { Closure docker -> new Block('docker', [image: { String image -> println "image ${image}" }]).read(docker, ['image']) }]).read(inner, ['docker']) },
    options: { Closure inner ->
      new Block('options', [
        timeout: { Map given -> assert given.keySet() == ['time', 'unit'] as Set },
        disableConcurrentBuilds: { -> },
        buildDiscarder: { rotator -> assert rotator == 'rotator' },
        logRotator: { Map given -> 'rotator' },
      ]).read(inner)
    },
    environment: { Closure inner ->
      inner.delegate = new Environment(variables)
      inner.resolveStrategy = Closure.DELEGATE_ONLY
      inner()
    },
    stages: { Closure inner ->
      new Block('stages', [stage: { String name, Closure stage ->
        assert !(name in stages*.name): "two stages are called ${name}"
        def entry = [name: name, wanted: true, steps: null]
        new Block("stage ${name}", [
          when: { Closure condition -> new Block('when', [branch: { String branch -> entry.wanted &= System.getenv('BRANCH_NAME') == branch }, changeRequest: { -> entry.wanted &= System.getenv('CHANGE_TARGET') != null }]).read(condition) },
          steps: { Closure steps -> entry.steps = steps },
        ]).read(stage, ['steps'])
        stages << entry
      }]).read(inner, ['stage'])
    },
    post: { Closure inner -> new Block('post', [always: { Closure always -> post = always }]).read(inner) },
  ]).read(body, ['agent', 'stages'])
}

new GroovyShell(new Binding([pipeline: pipeline])).evaluate(new File(args[0]))
try {
  for (entry in stages) {
    println "${entry.wanted ? 'stage' : 'skip'} ${entry.name}"
    if (entry.wanted) stepsOf("steps of ${entry.name}", entry.steps)
  }
} finally {
  if (post != null) stepsOf('always', post)
}
