namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A number, a string, true, false or none.</summary>
internal sealed class Constant(object value) : Expression
{
    public object Value => value;

    public override bool IsConstant => true;

    protected override object Compute(Rendering run, Scope scope) => value;
}
