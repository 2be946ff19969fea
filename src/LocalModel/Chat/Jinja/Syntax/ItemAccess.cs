namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value[key]</c>: the item, else the attribute.</summary>
internal sealed class ItemAccess : Expression
{
    private readonly Expression owner;
    private readonly Expression key;

    public ItemAccess(Expression owner, Expression key) => (this.owner, this.key) = (Holding(owner), Holding(key));

    protected override object Compute(Rendering run, Scope scope)
    {
        var value = owner.Evaluate(run, scope);
        return Attributes.GetItem(value, key.Evaluate(run, scope), run);
    }
}
