/** Parses the source that `torch.jit.save` prints: one file of classes and functions. */
import type { ClassDefinition, Expression, FunctionDefinition, Keyword, Parameter, Place, SourceModule, Statement } from './syntax.ts';
import { TokenReader, shown } from './token-reader.ts';
import { tokenize } from './tokens.ts';

/** Deeper expressions would overflow the stack of whoever walks them. */
const mostDepth = 500;

/** `file` is the path in the archive. Throws `INVALID_MODEL` that names it and the line. */
export function parseSource(source: string, file: string): SourceModule {
  return new Parser(tokenize(source, file), file).module();
}

class Parser extends TokenReader {
  #depth = 0;

  module(): SourceModule {
    const classes = new Map<string, ClassDefinition>();
    const functions = new Map<string, FunctionDefinition>();
    while (this.peek().kind !== 'end') {
      if (this.isName('class')) {
        const definition = this.#class();
        classes.set(definition.name, definition);
      } else if (this.isName('def')) {
        const definition = this.#function();
        functions.set(definition.name, definition);
      } else if (this.isName('import')) {
        // Files of PyTorch 1.0 and 1.1 name the files that they use.
        while (this.peek().kind !== 'newline' && this.peek().kind !== 'end') this.skip();
        this.endOfLine();
      } else {
        // `op_version_set = 1`
        const statement = this.#statement();
        if (statement.kind !== 'assign') this.fail('a file holds something else than classes and functions', statement.place);
      }
    }
    return { classes, functions };
  }

  #class(): ClassDefinition {
    const place = this.place();
    this.expectName('class');
    const name = this.name();
    let base: string | undefined;
    if (this.take('(')) {
      if (!this.is(')')) base = this.#dotted();
      this.expect(')');
    }
    const attributes = new Map<string, Expression>();
    const constants = new Map<string, Expression>();
    const methods = new Map<string, FunctionDefinition>();
    this.#block(() => {
      if (this.isName('def')) {
        const method = this.#function();
        methods.set(method.name, method);
        return;
      }
      if (this.isName('pass')) {
        this.skip();
        this.endOfLine();
        return;
      }
      const target = this.#expression();
      // `__annotations__["0"] = T` is how a name is written that is no identifier.
      if (target.kind === 'subscript' && target.object.kind === 'name' && target.object.name === '__annotations__' && target.index.kind === 'string') {
        this.expect('=');
        attributes.set(target.index.value, this.#expression());
      } else if (target.kind === 'name' && this.take(':')) {
        attributes.set(target.name, this.#expression());
        if (this.take('=')) constants.set(target.name, this.#expressions());
      } else if (target.kind === 'name' && this.take('=')) constants.set(target.name, this.#expressions());
      else this.fail('a class holds something else than attributes and methods', target.place);
      this.endOfLine();
    });
    return { name, place, base, attributes, constants, methods };
  }

  #function(): FunctionDefinition {
    const place = this.place();
    this.expectName('def');
    const name = this.name();
    this.expect('(');
    const parameters: Parameter[] = [];
    while (!this.is(')')) {
      // What follows a lone star is given by name.
      if (this.take('*')) {
        if (!this.is(')')) this.expect(',');
        continue;
      }
      const parameter = this.name();
      const type = this.take(':') ? this.#expression() : undefined;
      const initial = this.take('=') ? this.#expression() : undefined;
      parameters.push({ name: parameter, type, initial });
      if (!this.is(')')) this.expect(',');
    }
    this.expect(')');
    const result = this.take('->') ? this.#expression() : undefined;
    return { name, place, parameters, result, body: this.#statements() };
  }

  #statements(): Statement[] {
    const statements: Statement[] = [];
    this.#block(() => statements.push(this.#statement()));
    return statements;
  }

  #block(item: () => void): void {
    this.expect(':');
    if (this.peek().kind !== 'newline') {
      item();
      return;
    }
    this.skip();
    // A class or function without a body, as of an interface.
    if (this.peek().kind !== 'indent') return;
    this.skip();
    while (this.peek().kind !== 'dedent') {
      if (this.peek().kind === 'end') this.fail('a block has no end');
      item();
    }
    this.skip();
  }

  #statement(): Statement {
    return this.#nested(() => {
      const place = this.place();
      const token = this.peek();
      if (token.kind === 'name') {
        switch (token.text) {
          case 'if':
            return this.#if(place);
          case 'while': {
            this.skip();
            const condition = this.#expression();
            return { kind: 'while', place, condition, body: this.#statements() };
          }
          case 'for': {
            this.skip();
            const target = this.#targets();
            this.expectName('in');
            const source = this.#expression();
            return { kind: 'for', place, target, source, body: this.#statements() };
          }
          case 'with': {
            this.skip();
            const context = this.#expression();
            const target = this.takeName('as') ? this.#expression() : undefined;
            return { kind: 'with', place, context, target, body: this.#statements() };
          }
          case 'assert': {
            this.skip();
            const condition = this.#expression();
            if (this.take(',')) this.#expression();
            this.endOfLine();
            return { kind: 'assert', place, condition };
          }
          case 'return': {
            this.skip();
            const value = this.peek().kind === 'newline' ? undefined : this.#expressions();
            this.endOfLine();
            return { kind: 'return', place, value };
          }
          case 'pass':
            this.skip();
            this.endOfLine();
            return { kind: 'pass', place };
          case 'def':
          case 'class':
          case 'try':
          case 'raise':
          case 'break':
          case 'continue':
          case 'lambda':
            return this.fail(`'${token.text}' inside a function is not read`);
        }
      }
      const first = this.#targets();
      // `x : Optional[Tensor] = y`
      const declared = this.take(':') ? this.#expression() : undefined;
      if (!this.take('=')) {
        this.endOfLine();
        return declared === undefined ? { kind: 'expression', place, value: first } : { kind: 'pass', place };
      }
      const value = this.#expressions();
      this.endOfLine();
      return { kind: 'assign', place, targets: first.kind === 'tuple' ? first.elements : [first], unpack: first.kind === 'tuple', value };
    });
  }

  #if(place: Place): Statement {
    this.skip();
    const condition = this.#expression();
    const yes = this.#statements();
    if (this.isName('elif')) {
      const inner = this.place();
      return { kind: 'if', place, condition, yes, no: [this.#nested(() => this.#if(inner))] };
    }
    return { kind: 'if', place, condition, yes, no: this.takeName('else') ? this.#statements() : [] };
  }

  /** One expression, or a tuple without parentheses. */
  #expressions(): Expression {
    return this.#targets();
  }

  #targets(): Expression {
    const place = this.place();
    const first = this.#expression();
    if (!this.is(',')) return first;
    const elements = [first];
    while (this.take(',')) {
      const token = this.peek();
      if (token.kind === 'newline' || (token.kind === 'symbol' && '=)'.includes(token.text)) || (token.kind === 'name' && token.text === 'in')) break;
      elements.push(this.#expression());
    }
    return { kind: 'tuple', place, elements };
  }

  #expression(): Expression {
    return this.#nested(() => {
      const place = this.place();
      if (this.take('-')) return negate(this.#expression(), place);
      let result = this.#atom();
      for (;;) {
        const here = this.place();
        if (this.take('.')) result = { kind: 'attribute', place: here, object: result, name: this.name() };
        else if (this.take('(')) result = this.#call(result, here);
        else if (this.take('[')) {
          const index = this.is(']') ? ({ kind: 'tuple', place: here, elements: [] } as const) : this.#indices();
          this.expect(']');
          result = { kind: 'subscript', place: here, object: result, index };
        } else return result;
      }
    });
  }

  #indices(): Expression {
    const place = this.place();
    if (this.is(':')) return this.#slice(undefined, place);
    const elements = [this.#expression()];
    if (this.is(':')) return this.#slice(elements[0], place);
    while (this.take(',') && !this.is(']')) elements.push(this.#expression());
    return elements.length === 1 ? elements[0]! : { kind: 'tuple', place, elements };
  }

  #slice(start: Expression | undefined, place: Place): Expression {
    this.expect(':');
    return { kind: 'slice', place, start, end: this.is(']') ? undefined : this.#expression() };
  }

  #call(callee: Expression, place: Place): Expression {
    const args: Expression[] = [];
    const keywords: Keyword[] = [];
    while (!this.is(')')) {
      const token = this.peek();
      const next = this.peek(1);
      if (token.kind === 'name' && next?.kind === 'symbol' && next.text === '=') {
        this.skip(2);
        keywords.push({ name: token.text, value: this.#expression() });
      } else if (keywords.length > 0) this.fail('an argument stands behind one that is given by name');
      else args.push(this.#expression());
      if (!this.is(')')) this.expect(',');
    }
    this.expect(')');
    return { kind: 'call', place, callee, args, keywords };
  }

  #atom(): Expression {
    const place = this.place();
    const token = this.peek();
    this.skip();
    switch (token.kind) {
      case 'int':
        if (token.text.length > 40) return this.fail('a number is too large', place);
        return { kind: 'int', place, value: BigInt(token.text) };
      case 'float':
        return { kind: 'float', place, value: Number(token.text) };
      case 'imaginary':
        return this.fail('complex numbers are not imported', place);
      case 'string': {
        let text = token.text;
        while (this.peek().kind === 'string') {
          text += this.peek().text;
          this.skip();
        }
        return { kind: 'string', place, value: text };
      }
      case 'name':
        if (token.text === 'True' || token.text === 'False') return { kind: 'constant', place, value: token.text === 'True' };
        if (token.text === 'None') return { kind: 'constant', place, value: null };
        if (token.text === 'inf' || token.text === 'nan' || token.text === 'infj' || token.text === 'nanj') {
          if (token.text.endsWith('j')) return this.fail('complex numbers are not imported', place);
          return { kind: 'float', place, value: token.text === 'inf' ? Infinity : Number.NaN };
        }
        return { kind: 'name', place, name: token.text };
      case 'symbol':
        if (token.text === '(') return this.#parenthesized(place);
        if (token.text === '[') return { kind: 'list', place, elements: this.#elements(']') };
        if (token.text === '{') return this.#dict(place);
    }
    return this.fail(`there is ${shown(token)} where an expression is expected`, place);
  }

  #parenthesized(place: Place): Expression {
    if (this.take(')')) return { kind: 'tuple', place, elements: [] };
    const first = this.#expression();
    if (this.take(')')) return first;
    this.expect(',');
    return { kind: 'tuple', place, elements: [first, ...this.#elements(')')] };
  }

  #elements(close: string): Expression[] {
    const elements: Expression[] = [];
    while (!this.is(close)) {
      elements.push(this.#expression());
      if (!this.is(close)) this.expect(',');
    }
    this.expect(close);
    return elements;
  }

  #dict(place: Place): Expression {
    const entries: (readonly [Expression, Expression])[] = [];
    while (!this.is('}')) {
      const key = this.#expression();
      this.expect(':');
      entries.push([key, this.#expression()]);
      if (!this.is('}')) this.expect(',');
    }
    this.expect('}');
    return { kind: 'dict', place, entries };
  }

  #dotted(): string {
    let name = this.name();
    while (this.take('.')) name += `.${this.name()}`;
    return name;
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > mostDepth) this.fail(`the program is nested more than ${mostDepth} deep`);
    try {
      return parse();
    } finally {
      this.#depth--;
    }
  }
}

function negate(operand: Expression, place: Place): Expression {
  if (operand.kind === 'int') return { kind: 'int', place, value: -operand.value };
  if (operand.kind === 'float') return { kind: 'float', place, value: -operand.value };
  return { kind: 'negate', place, operand };
}
