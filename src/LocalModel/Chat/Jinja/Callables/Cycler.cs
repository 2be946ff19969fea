namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Gives its items one after the other, over and over.</summary>
internal sealed class Cycler(PyTuple items)
{
    private int place;

    public object Current => items.Items[place];

    public object Next()
    {
        var item = Current;
        place = (place + 1) % items.Count;
        return item;
    }

    public void Reset() => place = 0;
}
