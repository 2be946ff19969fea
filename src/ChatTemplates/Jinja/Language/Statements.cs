namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>A part of a template that is executed.</summary>
/// <param name="line">Its line, from 1; 0 where it is not known.</param>
internal abstract class Statement(int line)
{
    public int Line => line;

    public abstract Flow Execute(Rendering run, Scope scope, TextBuilder output);
}

/// <summary>How a statement ends.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary><c>block name</c>: rendered where it stands; it sees the outermost variables only, unless it is scoped.</summary>
internal sealed class Block(IReadOnlyList<Statement> body, bool isScoped, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        run.Run(body, new Scope(isScoped ? scope : run.Root), output);
        return Flow.Next;
    }
}

/// <summary>Text outside of tags.</summary>
internal sealed class DataStatement(string text) : Statement(0)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        output.Append(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ value }}</c>.</summary>
internal sealed class OutputStatement(IReadOnlyList<Expression> values, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        for (int i = 0; i < values.Count; i++)
            Python.WriteStr(output, values[i].Evaluate(run, scope));
        return Flow.Next;
    }
}

/// <summary><c>if</c> with its <c>elif</c> and <c>else</c> parts.</summary>
internal sealed class IfStatement(
    IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> branches, IReadOnlyList<Statement> otherwise, int line)
    : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        foreach (var (test, body) in branches)
            if (Python.IsTrue(test.Evaluate(run, scope)))
                return run.Run(body, scope, output);
        return otherwise.Count == 0 ? Flow.Next : run.Run(otherwise, scope, output);
    }
}

/// <summary>A <c>for</c> loop.</summary>
/// <param name="target">What each item is assigned to.</param>
/// <param name="items">The items.</param>
/// <param name="test">Which of them count; null for all.</param>
/// <param name="body">What runs for each.</param>
/// <param name="otherwise">What runs where there are no items.</param>
/// <param name="isRecursive">The body may call <c>loop</c> with other items.</param>
/// <param name="usesLoop">The body mentions <c>loop</c>.</param>
/// <param name="line">Its line.</param>
internal sealed class ForStatement(
    Target target,
    Expression items,
    Expression? test,
    IReadOnlyList<Statement> body,
    IReadOnlyList<Statement> otherwise,
    bool isRecursive,
    bool usesLoop,
    int line)
    : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
        => Execute(run, scope, output, items.Evaluate(run, scope), 0);

    /// <summary>The text of the loop over other items, one level deeper.</summary>
    public object Recurse(Rendering run, Scope scope, object values, int depth)
    {
        var text = new TextBuilder(run.Meter);
        Execute(run, scope, text, values, depth);
        return text.ToText();
    }

    private Flow Execute(Rendering run, Scope scope, TextBuilder output, object values, int depth)
    {
        if (!Python.IsIterable(values))
            throw Fail.Type($"'{Python.TypeName(values)}' object is not iterable");
        var source = test is null ? values : new PyIterator(Selected(run, scope, values));
        bool any = false;
        if (usesLoop || isRecursive)
        {
            var loop = new LoopContext(source, depth, run.Meter, isRecursive ? inner => Recurse(run, scope, inner, depth + 1) : null);
            while (loop.MoveNext(out var item))
            {
                any = true;
                var inside = new Scope(scope);
                inside.Set("loop", loop);
                target.Assign(run, inside, item);
                if (run.Run(body, inside, output) == Flow.Break)
                    break;
            }
        }
        else
        {
            foreach (var item in Python.Iterate(source, run.Meter))
            {
                any = true;
                var inside = new Scope(scope);
                target.Assign(run, inside, item);
                if (run.Run(body, inside, output) == Flow.Break)
                    break;
            }
        }

        return any || otherwise.Count == 0 ? Flow.Next : run.Run(otherwise, new Scope(scope), output);
    }

    private IEnumerable<object> Selected(Rendering run, Scope scope, object values)
    {
        foreach (var item in Python.Iterate(values, run.Meter))
        {
            var inside = new Scope(scope);
            target.Assign(run, inside, item);
            if (Python.IsTrue(test!.Evaluate(run, inside)))
                yield return item;
        }
    }
}

/// <summary><c>break</c> and <c>continue</c>.</summary>
internal sealed class LoopControl(Flow flow, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output) => flow;
}

/// <summary>What <c>set</c>, <c>for</c> and <c>with</c> assign to: a name, an attribute of a namespace, or several of them.</summary>
internal abstract record Target
{
    public abstract void Assign(Rendering run, Scope scope, object value);

    /// <summary>A variable.</summary>
    public sealed record Variable(string Name) : Target
    {
        public override void Assign(Rendering run, Scope scope, object value) => scope.Set(Name, value);
    }

    /// <summary>An attribute of a namespace.</summary>
    public sealed record Attribute(string Name, string Key) : Target
    {
        public override void Assign(Rendering run, Scope scope, object value)
        {
            if (!scope.TryGet(Name, out var owner) || owner is not Namespace space)
                throw Fail.Type("cannot assign attribute on non-namespace object");
            space.Set(new PyString(Key), value, run);
        }
    }

    /// <summary>Several targets for the items of one value.</summary>
    public sealed record Several(IReadOnlyList<Target> Parts) : Target
    {
        public override void Assign(Rendering run, Scope scope, object value)
        {
            if (!Python.IsIterable(value))
                throw Fail.Type($"cannot unpack non-iterable {Python.TypeName(value)} object");
            var items = Python.ToList(value, run.Meter);
            if (items.Count != Parts.Count)
                throw Fail.Value(items.Count > Parts.Count
                    ? $"too many values to unpack (expected {Parts.Count})"
                    : $"not enough values to unpack (expected {Parts.Count}, got {items.Count})");
            for (int i = 0; i < items.Count; i++)
                Parts[i].Assign(run, scope, items[i]);
        }
    }
}

/// <summary><c>set target = value</c>.</summary>
internal sealed class SetStatement(Target target, Expression value, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        target.Assign(run, scope, value.Evaluate(run, scope));
        return Flow.Next;
    }
}

/// <summary><c>set target</c> … <c>endset</c>: the text of the block, filtered.</summary>
internal sealed class SetBlock(Target target, FilterExpression? filter, IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var text = new TextBuilder(run.Meter);
        var inside = new Scope(scope);
        if (run.Run(body, inside, text) is var flow && flow != Flow.Next)
            return flow;
        object value = text.ToText();
        target.Assign(run, scope, filter?.Apply(run, inside, value) ?? value);
        return Flow.Next;
    }
}

/// <summary><c>with a = 1, b = 2</c>: a scope of its own; the values are computed outside of it.</summary>
internal sealed class WithStatement(IReadOnlyList<(Target Target, Expression Value)> variables, IReadOnlyList<Statement> body, int line)
    : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var inside = new Scope(scope);
        foreach (var (target, value) in variables)
            target.Assign(run, inside, value.Evaluate(run, scope));
        return run.Run(body, inside, output);
    }
}

/// <summary><c>filter name</c> … <c>endfilter</c>.</summary>
internal sealed class FilterBlock(FilterExpression filter, IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var text = new TextBuilder(run.Meter);
        var inside = new Scope(scope);
        if (run.Run(body, inside, text) is var flow && flow != Flow.Next)
            return flow;
        Python.WriteStr(output, filter.Apply(run, inside, text.ToText()));
        return Flow.Next;
    }
}

/// <summary><c>generation</c> … <c>endgeneration</c>: what the assistant says.</summary>
internal sealed class GenerationBlock(IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var text = run.Capture(body, new Scope(scope));

        // As in transformers, positions count what the whole rendering has written so far.
        int start = run.Output.Length;
        run.Generated.Add((start, start + text.Text.Length));
        output.Append(text);
        return Flow.Next;
    }
}

/// <summary>A macro as it is written.</summary>
internal sealed record MacroBody(
    string Name,
    IReadOnlyList<string> Parameters,
    IReadOnlyList<Expression> Defaults,
    IReadOnlyList<Statement> Body,
    bool UsesCaller,
    bool UsesVarargs,
    bool UsesKwargs);

/// <summary><c>macro name(parameters)</c>.</summary>
internal sealed class MacroStatement(MacroBody body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        scope.Set(body.Name, new Macro(body, scope));
        return Flow.Next;
    }
}

/// <summary><c>call(parameters) macro(arguments)</c>: the macro may call the block's body as <c>caller</c>.</summary>
internal sealed class CallBlock(Call call, MacroBody body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        Python.WriteStr(output, call.EvaluateWith(run, scope, new Macro(body, scope)));
        return Flow.Next;
    }
}

/// <summary><c>include</c>, <c>import</c>, <c>from</c> and <c>extends</c>: a chat template stands alone.</summary>
internal sealed class OtherTemplate(string tag, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
        => throw Fail.Security($"A chat template cannot {tag} another template.");
}
