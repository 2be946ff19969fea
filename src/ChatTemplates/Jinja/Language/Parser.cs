namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Makes the tree of a template, with Jinja2's grammar and the tags of transformers' environment.</summary>
internal sealed partial class Parser
{
    private readonly List<Token> _tokens;
    private readonly Meter _meter;
    private readonly HashSet<string> _blocks = new(StringComparer.Ordinal);
    private readonly Stack<HashSet<string>> _mentioned = new();
    private readonly HashSet<string> _bound = new(StringComparer.Ordinal) { "loop", "caller", "varargs", "kwargs", "self", "super" };
    private int _at;
    private int _nesting;
    private int _loops;

    // Inside of "if", unknown filters and tests fail only when they are reached.
    private bool _lenient;

    private Parser(List<Token> tokens, Meter meter) => (_tokens, _meter) = (tokens, meter);

    private Token Current => _tokens[_at];

    /// <returns>The statements, the names that occur as variables, and the names that the template itself gives values to.</returns>
    public static (IReadOnlyList<Statement> Body, IReadOnlySet<string> Mentioned, IReadOnlySet<string> Bound) Parse(
        string template, Meter meter)
    {
        var parser = new Parser(Lexer.Read(template, meter), meter);
        parser._mentioned.Push([]);
        var body = parser.Statements();
        if (parser.Current.Kind != TokenKind.End)
            throw parser.UnknownTag();
        return (body, parser._mentioned.Peek(), parser._bound);
    }

    // Statements up to a block that begins with one of the given names; the name is the current token then.
    private List<Statement> Statements(params string[] ends)
    {
        Enter();
        var body = new List<Statement>();
        while (true)
        {
            _meter.Step();
            var token = Current;
            switch (token.Kind)
            {
                case TokenKind.Data:
                    _at++;
                    body.Add(new DataStatement(token.Text));
                    break;
                case TokenKind.VariableBegin:
                    _at++;
                    body.Add(new OutputStatement([Tuple(withConditional: true)], token.Line));
                    Expect(TokenKind.VariableEnd);
                    break;
                case TokenKind.BlockBegin:
                    _at++;
                    if (Current.Kind == TokenKind.Name && ends.Contains(Current.Text))
                    {
                        Leave();
                        return body;
                    }

                    if (Statement() is { } statement)
                        body.Add(statement);
                    Expect(TokenKind.BlockEnd);
                    break;
                default:
                    if (ends.Length > 0)
                        throw Wrong(
                            $"Unexpected end of template. Jinja was looking for the following tags: '{string.Join("' or '", ends)}'.");
                    Leave();
                    return body;
            }
        }
    }

    // The body of a tag up to its end tag, which is consumed too.
    private List<Statement> Body(string end)
    {
        Expect(TokenKind.BlockEnd);
        var body = Statements(end);
        _at++;
        return body;
    }

    private Statement? Statement()
    {
        var token = Current;
        if (token.Kind != TokenKind.Name)
            throw Wrong("tag name expected");
        _at++;
        switch (token.Text)
        {
            case "if":
                return If(token.Line);
            case "for":
                return For(token.Line);
            case "set":
                return Set(token.Line);
            case "with":
                return With(token.Line);
            case "macro":
                return new MacroStatement(MacroOf(ExpectName(), "endmacro"), token.Line);
            case "call":
                return CallOf(token.Line);
            case "filter":
                var filter = FilterChain(null, startsInline: true);
                return new FilterBlock(filter!, Inside(() => Body("endfilter")), token.Line);
            case "generation":
                return new GenerationBlock(OutsideLoops(() => Inside(() => Body("endgeneration"))), token.Line);
            case "block":
                return BlockOf(token.Line);
            case "print":
                return Print(token.Line);
            case "break" or "continue":
                if (_loops == 0)
                    throw Fail.Syntax($"'{token.Text}' outside loop", token.Line);
                return new LoopControl(token.Text == "break" ? Flow.Break : Flow.Continue, token.Line);
            case "include" or "import" or "from" or "extends":
                return Other(token);
            default:
                _at--;
                throw UnknownTag();
        }
    }

    private IfStatement If(int line)
    {
        var branches = new List<(Expression, IReadOnlyList<Statement>)>();
        IReadOnlyList<Statement> otherwise = [];
        while (true)
        {
            var test = Tuple(withConditional: false);
            Expect(TokenKind.BlockEnd);
            bool before = _lenient;
            _lenient = true;
            branches.Add((test, Statements("elif", "else", "endif")));
            var end = Current.Text;
            _at++;
            if (end == "else")
            {
                Expect(TokenKind.BlockEnd);
                otherwise = Statements("endif");
                _at++;
            }

            _lenient = before;
            if (end != "elif")
                return new IfStatement(branches, otherwise, line);
        }
    }

    private ForStatement For(int line)
    {
        var target = AssignTarget(withNamespace: false, "in");
        if (Names(target).Contains("loop"))
            throw Fail.Syntax("can't assign to special loop variable in for-loop target", line);
        ExpectName("in");
        var items = Tuple(withConditional: false, endName: "recursive");
        Expression? test = SkipName("if") ? Expression() : null;
        bool recursive = SkipName("recursive");
        Expect(TokenKind.BlockEnd);
        _mentioned.Push([]);
        _loops++;
        var body = Inside(() => Statements("endfor", "else"));
        _loops--;
        var inside = _mentioned.Pop();
        _mentioned.Peek().UnionWith(inside);
        IReadOnlyList<Statement> otherwise = [];
        if (_tokens[_at++].Text == "else")
        {
            Expect(TokenKind.BlockEnd);
            otherwise = Inside(() => Statements("endfor"));
            _at++;
        }

        return new ForStatement(target, items, test, body, otherwise, recursive, inside.Contains("loop"), line);
    }

    private Statement Set(int line)
    {
        var target = AssignTarget(withNamespace: true);
        if (SkipOperator("="))
            return new SetStatement(target, Tuple(withConditional: true), line);
        var filter = FilterChain(null, startsInline: false);
        return new SetBlock(target, filter, Inside(() => Body("endset")), line);
    }

    private WithStatement With(int line)
    {
        var variables = new List<(Target, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0)
                ExpectOperator(",");
            var target = AssignTarget(withNamespace: false);
            ExpectOperator("=");
            variables.Add((target, Expression()));
        }

        return new WithStatement(variables, Inside(() => Body("endwith")), line);
    }

    private CallBlock CallOf(int line)
    {
        var (parameters, defaults) = Current.IsOperator("(") ? Parameters() : ([], []);
        if (Expression() is not Call call)
            throw Fail.Syntax("expected call", line);
        return new CallBlock(call, BodyOf("caller", parameters, defaults, "endcall"), line);
    }

    private MacroBody MacroOf(string name, string end)
    {
        var (parameters, defaults) = Parameters();
        return BodyOf(name, parameters, defaults, end);
    }

    private MacroBody BodyOf(string name, List<string> parameters, List<Expression> defaults, string end)
    {
        _bound.Add(name);
        _bound.UnionWith(parameters);
        _mentioned.Push([]);
        var body = OutsideLoops(() => Inside(() => Body(end)));
        var names = _mentioned.Pop();
        _mentioned.Peek().UnionWith(names);
        names.ExceptWith(parameters);
        bool usesCaller = names.Contains("caller") || parameters.Contains("caller");
        return new MacroBody(name, parameters, defaults, body, usesCaller, names.Contains("varargs"), names.Contains("kwargs"));
    }

    private (List<string> Parameters, List<Expression> Defaults) Parameters()
    {
        var parameters = new List<string>();
        var defaults = new List<Expression>();
        ExpectOperator("(");
        while (!Current.IsOperator(")"))
        {
            if (parameters.Count > 0)
                ExpectOperator(",");
            var name = ExpectName();
            if (parameters.Contains(name))
                throw Wrong($"duplicate argument '{name}'");
            parameters.Add(name);
            if (SkipOperator("="))
                defaults.Add(Expression());
            else if (defaults.Count > 0)
                throw Wrong("non-default argument follows default argument");
        }

        _at++;
        return (parameters, defaults);
    }

    private Block BlockOf(int line)
    {
        var name = ExpectName();
        bool scoped = SkipName("scoped");
        SkipName("required");
        if (Current.IsOperator("-"))
            throw Wrong("Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.");
        Expect(TokenKind.BlockEnd);
        var body = OutsideLoops(() => Inside(() => Statements("endblock")));
        _at++;
        SkipName(name);
        return _blocks.Add(name) ? new Block(body, scoped, line) : throw Fail.Syntax($"block '{name}' defined twice", line);
    }

    private OutputStatement Print(int line)
    {
        var values = new List<Expression>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0)
                ExpectOperator(",");
            values.Add(Expression());
        }

        return new OutputStatement(values, line);
    }

    // The grammar of these tags is read as far as it takes to find their end.
    private OtherTemplate Other(Token tag)
    {
        if (Current.Kind == TokenKind.BlockEnd)
            throw Wrong("Expected an expression, got 'end of statement block'");
        while (Current.Kind is not (TokenKind.BlockEnd or TokenKind.End))
            _at++;
        return new OtherTemplate(tag.Text == "from" ? "import from" : tag.Text, tag.Line);
    }

    private Target AssignTarget(bool withNamespace, string? endName = null)
    {
        var parts = new List<Target>();
        bool several = false;
        while (true)
        {
            if (parts.Count > 0)
                ExpectOperator(",");
            if (EndsTuple(endName) || (several && Current.IsOperator("=")))
                break;
            parts.Add(OneTarget(withNamespace));
            if (!Current.IsOperator(","))
                break;
            several = true;
        }

        if (parts.Count == 0)
            throw Wrong($"Expected an expression, got '{Current.Describe()}'");
        return several ? new Target.Several(parts) : parts[0];
    }

    private Target OneTarget(bool withNamespace)
    {
        if (SkipOperator("("))
        {
            Enter();
            var inner = AssignTarget(withNamespace);
            ExpectOperator(")");
            Leave();
            return inner;
        }

        if (Current.Kind != TokenKind.Name)
            throw Wrong($"can't assign to '{Current.Describe()}'");
        var name = _tokens[_at++].Text;
        if (name is "true" or "false" or "True" or "False" or "none" or "None")
            throw Wrong($"can't assign to '{name}'");
        if (!withNamespace || !Current.IsOperator("."))
        {
            _bound.Add(name);
            return new Target.Variable(name);
        }

        _at++;
        _mentioned.Peek().Add(name);
        return new Target.Attribute(name, ExpectName());
    }

    private static IEnumerable<string> Names(Target target) => target switch
    {
        Target.Variable variable => [variable.Name],
        Target.Several several => several.Parts.SelectMany(Names),
        _ => [],
    };

    // A scope of its own: Jinja checks the names of filters inside of it, whatever surrounds it.
    private T Inside<T>(Func<T> parse)
    {
        bool before = _lenient;
        _lenient = false;
        var result = parse();
        _lenient = before;
        return result;
    }

    private T OutsideLoops<T>(Func<T> parse)
    {
        int before = _loops;
        _loops = 0;
        var result = parse();
        _loops = before;
        return result;
    }

    private void Enter()
    {
        if (++_nesting > TemplateLimits.MaxNesting)
            throw Fail.Limit($"Blocks and brackets lie more than {TemplateLimits.MaxNesting} deep inside one another.").At(Current.Line);
        Meter.CheckStack();
    }

    private void Leave() => _nesting--;

    private void Expect(TokenKind kind)
    {
        if (Current.Kind != kind)
            throw Wrong(Current.Kind == TokenKind.End
                ? "unexpected end of template"
                : $"expected token '{new Token(kind, "", 0).Describe()}', got '{Current.Describe()}'");
        _at++;
    }

    private void ExpectOperator(string sign)
    {
        if (!Current.IsOperator(sign))
            throw Wrong($"expected token '{sign}', got '{Current.Describe()}'");
        _at++;
    }

    private void ExpectName(string name)
    {
        if (!Current.IsName(name))
            throw Wrong($"expected token '{name}', got '{Current.Describe()}'");
        _at++;
    }

    private string ExpectName()
    {
        if (Current.Kind != TokenKind.Name)
            throw Wrong($"expected token 'name', got '{Current.Describe()}'");
        return _tokens[_at++].Text;
    }

    private bool SkipName(string name)
    {
        if (!Current.IsName(name))
            return false;
        _at++;
        return true;
    }

    private bool SkipOperator(string sign)
    {
        if (!Current.IsOperator(sign))
            return false;
        _at++;
        return true;
    }

    private ChatTemplateException UnknownTag() => Wrong($"Encountered unknown tag '{Current.Text}'{LeftOut.NoteOnTag(Current.Text)}.");

    private ChatTemplateException Wrong(string message) => Fail.Syntax(message, Current.Line);
}
