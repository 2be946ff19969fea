namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value.name</c>: the attribute, else the key.</summary>
internal sealed class AttributeAccess : Expression
{
    private readonly Expression owner;
    private readonly PyString name;

    public AttributeAccess(Expression owner, string name) => (this.owner, this.name) = (Holding(owner), new PyString(name));

    protected override object Compute(Rendering run, Scope scope) => Attributes.GetAttribute(owner.Evaluate(run, scope), name, run);
}
