namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value[start:stop:step]</c>.</summary>
internal sealed class SliceAccess : Expression
{
    private readonly Expression owner;
    private readonly Expression?[] bounds;

    public SliceAccess(Expression owner, Expression?[] bounds)
    {
        (this.owner, this.bounds) = (Holding(owner), bounds);
        foreach (var bound in bounds)
            if (bound is not null)
                Holding(bound);
    }

    protected override object Compute(Rendering run, Scope scope)
    {
        var value = owner.Evaluate(run, scope);

        // Jinja computes constants while it reads the template, and an error becomes an undefined value there.
        if (owner.IsConstant && Numbers.IsNumber(value) | value is PyNone && bounds.All(b => b?.IsConstant != false))
            return Undefined.Attribute(value, new PyString("slice"));
        return Python.Slice(value, bounds[0]?.Evaluate(run, scope), bounds[1]?.Evaluate(run, scope), bounds[2]?.Evaluate(run, scope), run.Meter);
    }
}
