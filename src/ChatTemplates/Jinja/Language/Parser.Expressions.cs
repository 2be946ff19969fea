namespace Kotonoha.ChatTemplates.Jinja;

// Expressions, loosest first: if-else, or, and, not, comparisons, + and -, ~, * / // %, **, signs, filters and tests.
internal sealed partial class Parser
{
    private Expression Expression()
    {
        Enter();
        var value = Or();
        while (SkipName("if"))
        {
            bool before = _lenient;
            _lenient = true;
            var test = Or();
            var other = SkipName("else") ? Expression() : null;
            _lenient = before;
            value = new Conditional(test, value, other);
        }

        Leave();
        return value;
    }

    private Expression Or() => Chain("or", And);

    private Expression And() => Chain("and", NotExpression);

    private Expression Chain(string name, Func<Expression> operand)
    {
        var first = operand();
        if (Current.IsName(name))
        {
            var operands = new List<Expression> { first };
            while (SkipName(name))
                operands.Add(operand());
            first = new Logic(operands, name == "or");
        }

        return first;
    }

    private Expression NotExpression()
    {
        int count = 0;
        for (; SkipName("not"); count++)
            _meter.Step();
        if (count > TemplateLimits.MaxExpressionHeight)
            throw Fail.Limit("Too many 'not' stand one behind the other.").At(Current.Line);
        var value = Compare();
        for (; count > 0; count--)
            value = new Not(value);
        return value;
    }

    private Expression Compare()
    {
        var first = Sum();
        List<(string, Expression)>? rest = null;
        while (true)
        {
            string sign;
            if (Current.Kind == TokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
                sign = _tokens[_at++].Text;
            else if (SkipName("in"))
                sign = "in";
            else if (Current.IsName("not") && _tokens[_at + 1].IsName("in"))
                (sign, _at) = ("notin", _at + 2);
            else
                return rest is null ? first : new Comparison(first, rest);
            (rest ??= []).Add((sign, Sum()));
        }
    }

    private Expression Sum()
    {
        var left = Concat();
        while (Current.Kind == TokenKind.Operator && Current.Text is "+" or "-")
        {
            var sign = _tokens[_at++].Text;
            left = new BinaryOperation(sign, left, Concat());
        }

        return left;
    }

    private Expression Concat()
    {
        var first = Product();
        if (!Current.IsOperator("~"))
            return first;
        var operands = new List<Expression> { first };
        while (SkipOperator("~"))
            operands.Add(Product());
        return new Concatenation(operands);
    }

    private Expression Product()
    {
        var left = Power();
        while (Current.Kind == TokenKind.Operator && Current.Text is "*" or "/" or "//" or "%")
        {
            var sign = _tokens[_at++].Text;
            left = new BinaryOperation(sign, left, Power());
        }

        return left;
    }

    private Expression Power()
    {
        var left = Unary(withFilter: true);
        while (SkipOperator("**"))
        {
            var right = Unary(withFilter: true);

            // Jinja folds a negative constant into its text, where Python's sign binds looser than the power.
            left = left is UnaryOperation { NegatedConstant: { } number } && !right.IsConstant
                ? new UnaryOperation("-", new BinaryOperation("**", number, right))
                : new BinaryOperation("**", left, right);
        }

        return left;
    }

    private Expression Unary(bool withFilter)
    {
        _meter.Step();
        Expression value;
        if (Current.Kind == TokenKind.Operator && Current.Text is "-" or "+")
        {
            Enter();
            var sign = _tokens[_at++].Text;
            value = new UnaryOperation(sign, Unary(withFilter: false));
            Leave();
        }
        else
        {
            value = Primary();
        }

        value = Postfix(value);
        return withFilter ? FilterExpressions(value) : value;
    }

    private Expression Primary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                _at++;
                switch (token.Text)
                {
                    case "true" or "True":
                        return new Constant(Numbers.True);
                    case "false" or "False":
                        return new Constant(Numbers.False);
                    case "none" or "None":
                        return new Constant(PyNone.Value);
                    default:
                        _mentioned.Peek().Add(token.Text);
                        return new Name(token.Text);
                }

            case TokenKind.Text:
                _at++;
                if (Current.Kind != TokenKind.Text)
                    return new Constant(token.Value!);
                var text = new System.Text.StringBuilder(((PyString)token.Value!).Text);
                for (; Current.Kind == TokenKind.Text; _at++)
                    text.Append(((PyString)Current.Value!).Text);
                return new Constant(new PyString(text.ToString()));
            case TokenKind.Integer or TokenKind.Float:
                _at++;
                return new Constant(token.Value!);
            case TokenKind.Operator when token.Text is "(" or "[" or "{":
                _at++;
                return token.Text switch { "(" => Parenthesis(), "[" => List(), _ => Dict() };
            default:
                throw Wrong($"Expected an expression, got '{token.Describe()}'");
        }
    }

    private Expression Parenthesis()
    {
        var value = Tuple(withConditional: true, explicitParentheses: true);
        ExpectOperator(")");
        return value;
    }

    private ListExpression List()
    {
        var items = new List<Expression>();
        while (!Current.IsOperator("]"))
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (Current.IsOperator("]"))
                break;
            items.Add(Expression());
        }

        ExpectOperator("]");
        return new ListExpression(items);
    }

    private DictExpression Dict()
    {
        var keys = new List<Expression>();
        var values = new List<Expression>();
        while (!Current.IsOperator("}"))
        {
            if (keys.Count > 0)
                ExpectOperator(",");
            if (Current.IsOperator("}"))
                break;
            keys.Add(Expression());
            ExpectOperator(":");
            values.Add(Expression());
        }

        ExpectOperator("}");
        return new DictExpression(keys, values);
    }

    // One expression, or several with commas between them.
    private Expression Tuple(bool withConditional, string? endName = null, bool explicitParentheses = false)
    {
        var items = new List<Expression>();
        bool several = false;
        while (true)
        {
            if (items.Count > 0)
                ExpectOperator(",");
            if (EndsTuple(endName))
                break;
            items.Add(withConditional ? Expression() : Or());
            if (!Current.IsOperator(","))
                break;
            several = true;
        }

        if (several)
            return new TupleExpression(items);
        if (items.Count > 0)
            return items[0];
        return explicitParentheses ? new TupleExpression(items) : throw Wrong($"Expected an expression, got '{Current.Describe()}'");
    }

    private bool EndsTuple(string? endName)
        => Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd
            || Current.IsOperator(")")
            || (endName is not null && Current.IsName(endName));

    private Expression Postfix(Expression value)
    {
        while (Current.Kind == TokenKind.Operator)
        {
            switch (Current.Text)
            {
                case "." or "[":
                    value = Subscript(value);
                    break;
                case "(":
                    value = CallExpression(value);
                    break;
                default:
                    return value;
            }
        }

        return value;
    }

    private Expression FilterExpressions(Expression value)
    {
        while (true)
        {
            if (Current.IsOperator("|"))
                value = FilterChain(value, startsInline: false)!;
            else if (Current.IsName("is"))
                value = Test(value);
            else if (Current.IsOperator("("))
                value = CallExpression(value);
            else
                return value;
        }
    }

    private FilterExpression? FilterChain(Expression? value, bool startsInline)
    {
        var chain = value;
        while (Current.IsOperator("|") || startsInline)
        {
            if (!startsInline)
                _at++;
            startsInline = false;
            int line = Current.Line;
            var name = DottedName();
            var arguments = Current.IsOperator("(") ? Arguments() : ArgumentList.None;
            if (!Filters.Exists(name) && !_lenient)
                throw Fail.Syntax(Filters.Unknown(name), line);
            chain = new FilterExpression(chain, name, arguments);
        }

        return (FilterExpression?)chain;
    }

    private Expression Test(Expression value)
    {
        _at++;
        bool negated = SkipName("not");
        int line = Current.Line;
        var name = DottedName();
        var arguments = ArgumentList.None;
        if (Current.IsOperator("("))
        {
            arguments = Arguments();
        }
        else if (BeginsOperand())
        {
            if (Current.IsName("is"))
                throw Wrong("You cannot chain multiple tests with is");
            arguments = new ArgumentList([Postfix(Primary())], [], null, null);
        }

        if (!Tests.Exists(name) && !_lenient)
            throw Fail.Syntax($"No test named '{name}'.", line);
        Expression test = new TestExpression(value, name, arguments);
        return negated ? new Not(test) : test;
    }

    // Whether the single argument of a test may begin here.
    private bool BeginsOperand() => Current.Kind switch
    {
        TokenKind.Name => Current.Text is not ("else" or "or" or "and"),
        TokenKind.Operator => Current.Text is "(" or "[" or "{",
        _ => Current.Kind is TokenKind.Text or TokenKind.Integer or TokenKind.Float,
    };

    private string DottedName()
    {
        var name = ExpectName();
        while (SkipOperator("."))
            name += "." + ExpectName();
        return name;
    }

    private Expression Subscript(Expression value)
    {
        if (SkipOperator("."))
        {
            var token = _tokens[_at++];
            return token.Kind switch
            {
                TokenKind.Name => new AttributeAccess(value, token.Text),
                TokenKind.Integer => new ItemAccess(value, new Constant(token.Value!)),
                _ => throw Fail.Syntax("expected name or number", token.Line),
            };
        }

        _at++;
        var keys = new List<object>();
        while (!Current.IsOperator("]"))
        {
            if (keys.Count > 0)
                ExpectOperator(",");
            keys.Add(SubscriptPart());
        }

        _at++;
        if (keys is [Expression?[] bounds])
            return new SliceAccess(value, bounds);
        if (keys.Exists(k => k is not Jinja.Expression))
            throw Wrong("A slice cannot be one of several subscripts.");
        return new ItemAccess(value, keys is [Expression key] ? key : new TupleExpression([.. keys.Cast<Expression>()]));
    }

    // An expression, or the three bounds of a slice.
    private object SubscriptPart()
    {
        var bounds = new Expression?[3];
        if (!Current.IsOperator(":"))
        {
            var first = Expression();
            if (!Current.IsOperator(":"))
                return first;
            bounds[0] = first;
        }

        _at++;
        for (int i = 1; i < 3; i++)
        {
            if (!Current.IsOperator(":") && !Current.IsOperator("]") && !Current.IsOperator(","))
                bounds[i] = Expression();
            if (i == 1 && !SkipOperator(":"))
                break;
        }

        return bounds;
    }

    private Call CallExpression(Expression target)
    {
        int line = Current.Line;
        return new Call(target, Arguments(), line);
    }

    private ArgumentList Arguments()
    {
        ExpectOperator("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? more = null, moreNamed = null;
        bool any = false;
        while (!Current.IsOperator(")"))
        {
            if (any)
            {
                ExpectOperator(",");
                if (Current.IsOperator(")"))
                    break;
            }

            any = true;
            if (SkipOperator("*"))
            {
                Ensure(more is null && moreNamed is null);
                more = Expression();
            }
            else if (SkipOperator("**"))
            {
                Ensure(moreNamed is null);
                moreNamed = Expression();
            }
            else if (Current.Kind == TokenKind.Name && _tokens[_at + 1].IsOperator("="))
            {
                Ensure(moreNamed is null);
                var name = Current.Text;
                _at += 2;
                named.Add((name, Expression()));
            }
            else
            {
                Ensure(more is null && moreNamed is null && named.Count == 0);
                positional.Add(Expression());
            }
        }

        _at++;
        return new ArgumentList(positional, named, more, moreNamed);

        void Ensure(bool holds)
        {
            if (!holds)
                throw Wrong("invalid syntax for function call expression");
        }
    }
}
