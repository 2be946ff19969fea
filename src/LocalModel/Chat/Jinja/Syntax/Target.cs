namespace Kotonoha.LocalModel.Chat.Jinja;

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
