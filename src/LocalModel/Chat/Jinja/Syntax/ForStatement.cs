namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A <c>for</c> loop.</summary>
internal sealed class ForStatement(Target target, Expression items, Expression? test, IReadOnlyList<Statement> body, IReadOnlyList<Statement> otherwise, bool isRecursive, bool needsLoop, int line)
    : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
        => Execute(run, scope, output, items.Evaluate(run, scope), 0);

    /// <summary>The text of the loop over other items, one deeper.</summary>
    public object Recurse(Rendering run, Scope scope, object values, int depth)
    {
        var text = new TextBuilder(run.Meter);
        Execute(run, scope, text, values, depth);
        return text.ToText(run.Autoescape);
    }

    private Flow Execute(Rendering run, Scope scope, TextBuilder output, object values, int depth)
    {
        if (!Python.IsIterable(values))
            throw Fail.Type($"'{Python.TypeName(values)}' object is not iterable");
        var source = test is null ? values : new PyIterator(Selected(run, scope, values));
        bool any = false;
        if (needsLoop || isRecursive)
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
