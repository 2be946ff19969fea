namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>A part of a template that has a value.</summary>
internal abstract class Expression
{
    private const int CheckedEvery = 32;

    /// <summary>The height of the tree below, itself included.</summary>
    public int Height { get; private set; } = 1;

    /// <summary>Whether it is made of numbers and operators alone.</summary>
    public virtual bool IsConstant => false;

    public object Evaluate(Rendering run, Scope scope)
    {
        run.Meter.Step();
        if (Height % CheckedEvery == 0)
            Meter.CheckStack();
        return Compute(run, scope);
    }

    protected abstract object Compute(Rendering run, Scope scope);

    /// <summary>Notes a part, so that the height is known and bounded.</summary>
    protected T Holding<T>(T part)
        where T : Expression
    {
        Height = Math.Max(Height, part.Height + 1);
        if (Height > TemplateLimits.MaxExpressionHeight)
            throw Fail.Limit(
                $"An expression has more than {TemplateLimits.MaxExpressionHeight} operators, filters and brackets inside one another.");
        return part;
    }

    protected IReadOnlyList<T> Holding<T>(IReadOnlyList<T> parts)
        where T : Expression
    {
        foreach (var part in parts)
            Holding(part);
        return parts;
    }
}

/// <summary>A number, a string, true, false or none.</summary>
internal sealed class Constant(object value) : Expression
{
    public object Value => value;

    public override bool IsConstant => true;

    protected override object Compute(Rendering run, Scope scope) => value;
}

/// <summary>A variable.</summary>
internal sealed class Name(string text) : Expression
{
    protected override object Compute(Rendering run, Scope scope)
        => scope.TryGet(text, out var value) ? value : Globals.TryGet(text, out value) ? value : Undefined.Name(text);
}

/// <summary><c>[a, b]</c>.</summary>
internal sealed class ListExpression : Expression
{
    private readonly IReadOnlyList<Expression> _items;

    public ListExpression(IReadOnlyList<Expression> items) => _items = Holding(items);

    protected override object Compute(Rendering run, Scope scope) => new PyList(TupleExpression.EvaluateAll(_items, run, scope));
}

/// <summary><c>a, b</c>.</summary>
internal sealed class TupleExpression : Expression
{
    public TupleExpression(IReadOnlyList<Expression> items) => Items = Holding(items);

    public IReadOnlyList<Expression> Items { get; }

    protected override object Compute(Rendering run, Scope scope) => new PyTuple(EvaluateAll(Items, run, scope));

    public static object[] EvaluateAll(IReadOnlyList<Expression> items, Rendering run, Scope scope)
    {
        var values = new object[items.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = items[i].Evaluate(run, scope);
        run.Meter.Items(values.Length);
        return values;
    }
}

/// <summary><c>{key: value}</c>.</summary>
internal sealed class DictExpression : Expression
{
    private readonly IReadOnlyList<Expression> _keys;
    private readonly IReadOnlyList<Expression> _values;

    public DictExpression(IReadOnlyList<Expression> keys, IReadOnlyList<Expression> values)
        => (_keys, _values) = (Holding(keys), Holding(values));

    protected override object Compute(Rendering run, Scope scope)
    {
        var dict = run.NewDict();
        run.Meter.Items(_keys.Count * 2);
        for (int i = 0; i < _keys.Count; i++)
        {
            var key = _keys[i].Evaluate(run, scope);
            dict.Set(key, _values[i].Evaluate(run, scope));
        }

        return dict;
    }
}

/// <summary><c>value.name</c>: the attribute, otherwise the key.</summary>
internal sealed class AttributeAccess : Expression
{
    private readonly Expression _owner;
    private readonly PyString _name;

    public AttributeAccess(Expression owner, string name) => (_owner, _name) = (Holding(owner), new PyString(name));

    protected override object Compute(Rendering run, Scope scope) => Attributes.GetAttribute(_owner.Evaluate(run, scope), _name);
}

/// <summary><c>value[key]</c>: the item, otherwise the attribute.</summary>
internal sealed class ItemAccess : Expression
{
    private readonly Expression _owner;
    private readonly Expression _key;

    public ItemAccess(Expression owner, Expression key) => (_owner, _key) = (Holding(owner), Holding(key));

    protected override object Compute(Rendering run, Scope scope)
    {
        var value = _owner.Evaluate(run, scope);
        return Attributes.GetItem(value, _key.Evaluate(run, scope));
    }
}

/// <summary><c>value[start:stop:step]</c>.</summary>
internal sealed class SliceAccess : Expression
{
    private readonly Expression _owner;
    private readonly Expression?[] _bounds;

    public SliceAccess(Expression owner, Expression?[] bounds)
    {
        (_owner, _bounds) = (Holding(owner), bounds);
        foreach (var bound in bounds)
            if (bound is not null)
                Holding(bound);
    }

    protected override object Compute(Rendering run, Scope scope)
    {
        var value = _owner.Evaluate(run, scope);

        // Jinja computes constants while it reads the template, and an error becomes an undefined value there.
        if (_owner.IsConstant && Numbers.IsNumber(value) | value is PyNone && _bounds.All(b => b?.IsConstant != false))
            return Undefined.Attribute(value, new PyString("slice"));
        object? start = _bounds[0]?.Evaluate(run, scope), stop = _bounds[1]?.Evaluate(run, scope), step = _bounds[2]?.Evaluate(run, scope);
        return Python.Slice(value, start, stop, step, run.Meter);
    }
}

/// <summary>The arguments of a call as they are written.</summary>
/// <param name="positional">By place.</param>
/// <param name="named">By name.</param>
/// <param name="morePositional">What stands behind <c>*</c>, or null.</param>
/// <param name="moreNamed">What stands behind <c>**</c>, or null.</param>
internal sealed class ArgumentList(
    IReadOnlyList<Expression> positional,
    IReadOnlyList<(string Name, Expression Value)> named,
    Expression? morePositional,
    Expression? moreNamed)
{
    public static readonly ArgumentList None = new([], [], null, null);

    public IEnumerable<Expression> Parts
        => [.. positional, .. named.Select(n => n.Value), .. new[] { morePositional, moreNamed }.OfType<Expression>()];

    /// <param name="run">The rendering.</param>
    /// <param name="scope">Where the call stands.</param>
    /// <param name="first">The value that a filter or test is applied to; null for none.</param>
    /// <param name="caller">What a call block passes.</param>
    public Arguments Evaluate(Rendering run, Scope scope, object? first = null, object? caller = null)
    {
        var values = new List<object>(positional.Count + 1);
        if (first is not null)
            values.Add(first);
        foreach (var argument in positional)
            values.Add(argument.Evaluate(run, scope));
        if (morePositional is not null)
            values.AddRange(Python.Iterate(morePositional.Evaluate(run, scope), run.Meter));
        run.Meter.Items(values.Count);
        if (named.Count == 0 && moreNamed is null && caller is null)
            return new Arguments(values, []);
        var pairs = new List<(string, object)>();
        foreach (var (name, value) in named)
            Add(pairs, name, value.Evaluate(run, scope));
        if (caller is not null)
            Add(pairs, "caller", caller);
        if (moreNamed is not null)
        {
            if (moreNamed.Evaluate(run, scope) is not PyDict dict)
                throw Fail.Type("argument after ** must be a mapping");
            foreach (var (key, value) in dict.Entries)
                Add(pairs, key is PyString text ? text.Text : throw Fail.Type("keywords must be strings"), value);
        }

        return new Arguments(values, pairs);
    }

    private static void Add(List<(string Name, object)> pairs, string name, object value)
    {
        if (pairs.Exists(p => p.Name == name))
            throw Fail.Type($"got multiple values for keyword argument '{name}'");
        pairs.Add((name, value));
    }
}

/// <summary><c>value(arguments)</c>.</summary>
internal sealed class Call : Expression
{
    private readonly Expression _target;
    private readonly ArgumentList _arguments;
    private readonly int _line;

    public Call(Expression target, ArgumentList arguments, int line)
    {
        (_target, _arguments, _line) = (Holding(target), arguments, line);
        foreach (var part in arguments.Parts)
            Holding(part);
    }

    /// <summary>The call of a call block.</summary>
    public object EvaluateWith(Rendering run, Scope scope, object caller) => Invoke(run, scope, caller);

    protected override object Compute(Rendering run, Scope scope) => Invoke(run, scope, null);

    private object Invoke(Rendering run, Scope scope, object? caller)
    {
        var value = _target.Evaluate(run, scope);
        if (value is Undefined missing)
            throw missing.Used();
        if (value is not Callable callable)
            throw Fail.Type($"'{Python.TypeName(value)}' object is not callable");
        var given = _arguments.Evaluate(run, scope, null, caller);
        run.Line = _line;
        return callable.Call(run, given);
    }
}

/// <summary><c>value | filter(arguments)</c>.</summary>
internal sealed class FilterExpression : Expression
{
    private readonly Expression? _value;
    private readonly string _name;
    private readonly ArgumentList _arguments;

    /// <param name="value">What is filtered; null where a block's text is.</param>
    /// <param name="name">The filter.</param>
    /// <param name="arguments">Its further arguments.</param>
    public FilterExpression(Expression? value, string name, ArgumentList arguments)
    {
        (_value, _name, _arguments) = (value, name, arguments);
        if (value is not null)
            Holding(value);
        foreach (var part in arguments.Parts)
            Holding(part);
    }

    /// <summary>Applies the filters to the text of a block.</summary>
    public object Apply(Rendering run, Scope scope, object text)
    {
        var input = _value is null ? text : ((FilterExpression)_value).Apply(run, scope, text);
        return Filters.Get(_name).Call(run, _arguments.Evaluate(run, scope, input));
    }

    protected override object Compute(Rendering run, Scope scope)
        => Filters.Get(_name).Call(run, _arguments.Evaluate(run, scope, _value!.Evaluate(run, scope)));
}

/// <summary><c>value is test</c>.</summary>
internal sealed class TestExpression : Expression
{
    private readonly Expression _value;
    private readonly string _name;
    private readonly ArgumentList _arguments;

    public TestExpression(Expression value, string name, ArgumentList arguments)
    {
        (_value, _name, _arguments) = (Holding(value), name, arguments);
        foreach (var part in arguments.Parts)
            Holding(part);
    }

    protected override object Compute(Rendering run, Scope scope)
        => Tests.Get(_name).Call(run, _arguments.Evaluate(run, scope, _value.Evaluate(run, scope)));
}

/// <summary><c>-a</c> and <c>+a</c>.</summary>
internal sealed class UnaryOperation : Expression
{
    private readonly string _sign;
    private readonly Expression _operand;

    public UnaryOperation(string sign, Expression operand) => (_sign, _operand) = (sign, Holding(operand));

    public override bool IsConstant => _operand.IsConstant;

    /// <summary>The number of <c>-number</c>.</summary>
    public Constant? NegatedConstant
        => _sign == "-" && _operand is Constant { Value: long or double or System.Numerics.BigInteger } number ? number : null;

    protected override object Compute(Rendering run, Scope scope) => Operators.Unary(_sign, _operand.Evaluate(run, scope));
}

/// <summary><c>a + b</c> and its like.</summary>
internal sealed class BinaryOperation : Expression
{
    private readonly string _sign;
    private readonly Expression _left;
    private readonly Expression _right;

    public BinaryOperation(string sign, Expression left, Expression right)
        => (_sign, _left, _right) = (sign, Holding(left), Holding(right));

    public override bool IsConstant => _left.IsConstant && _right.IsConstant;

    protected override object Compute(Rendering run, Scope scope)
    {
        var first = _left.Evaluate(run, scope);
        return Operators.Binary(_sign, first, _right.Evaluate(run, scope), run);
    }
}

/// <summary><c>a ~ b</c>.</summary>
internal sealed class Concatenation : Expression
{
    private readonly IReadOnlyList<Expression> _operands;

    public Concatenation(IReadOnlyList<Expression> operands) => _operands = Holding(operands);

    protected override object Compute(Rendering run, Scope scope)
    {
        var values = TupleExpression.EvaluateAll(_operands, run, scope);
        var text = new TextBuilder(run.Meter);
        foreach (var value in values)
            Python.WriteStr(text, value);
        return text.ToText();
    }
}

/// <summary><c>a &lt; b &lt;= c</c>, <c>in</c> and <c>not in</c>.</summary>
internal sealed class Comparison : Expression
{
    private readonly Expression _first;
    private readonly IReadOnlyList<(string Sign, Expression Operand)> _rest;

    public Comparison(Expression first, IReadOnlyList<(string Sign, Expression Operand)> rest)
    {
        (_first, _rest) = (Holding(first), rest);
        foreach (var (_, operand) in rest)
            Holding(operand);
    }

    protected override object Compute(Rendering run, Scope scope)
    {
        var left = _first.Evaluate(run, scope);
        foreach (var (sign, operand) in _rest)
        {
            var right = operand.Evaluate(run, scope);
            if (!Operators.Compare(sign, left, right, run.Equality))
                return Numbers.False;
            left = right;
        }

        return Numbers.True;
    }
}

/// <summary><c>and</c> and <c>or</c>: the operand that decides.</summary>
internal sealed class Logic : Expression
{
    private readonly IReadOnlyList<Expression> _operands;
    private readonly bool _decisive;

    /// <param name="operands">Two or more.</param>
    /// <param name="isOr">The first true one decides, otherwise the first false one.</param>
    public Logic(IReadOnlyList<Expression> operands, bool isOr) => (_operands, _decisive) = (Holding(operands), isOr);

    protected override object Compute(Rendering run, Scope scope)
    {
        for (int i = 0; i < _operands.Count - 1; i++)
            if (_operands[i].Evaluate(run, scope) is var value && Python.IsTrue(value) == _decisive)
                return value;
        return _operands[^1].Evaluate(run, scope);
    }
}

/// <summary><c>not value</c>.</summary>
internal sealed class Not : Expression
{
    private readonly Expression _operand;

    public Not(Expression operand) => _operand = Holding(operand);

    protected override object Compute(Rendering run, Scope scope) => Numbers.Box(!Python.IsTrue(_operand.Evaluate(run, scope)));
}

/// <summary><c>value if test else other</c>.</summary>
internal sealed class Conditional : Expression
{
    private static readonly Undefined Missing = new("the inline if-expression evaluated to false and no else section was defined.");

    private readonly Expression _test;
    private readonly Expression _value;
    private readonly Expression? _other;

    public Conditional(Expression test, Expression value, Expression? other)
    {
        (_test, _value, _other) = (Holding(test), Holding(value), other);
        if (other is not null)
            Holding(other);
    }

    protected override object Compute(Rendering run, Scope scope)
        => Python.IsTrue(_test.Evaluate(run, scope)) ? _value.Evaluate(run, scope) : _other?.Evaluate(run, scope) ?? Missing;
}
