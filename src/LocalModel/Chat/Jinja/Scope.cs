namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The variables of one block; names that are not here are looked for outside of it.</summary>
internal sealed class Scope(Scope? outer)
{
    private const int SearchedOneByOne = 8;

    private (string Name, object Value)[] variables = [];
    private Dictionary<string, int>? places;
    private int count;

    public Scope? Outer => outer;

    public void Set(string name, object value)
    {
        int place = PlaceOf(name);
        if (place >= 0)
        {
            variables[place].Value = value;
            return;
        }

        if (count == variables.Length)
            Array.Resize(ref variables, Math.Max(4, count * 2));
        variables[count] = (name, value);
        if (places is not null)
            places.Add(name, count);
        count++;
        if (places is null && count > SearchedOneByOne)
        {
            places = new Dictionary<string, int>(StringComparer.Ordinal);
            for (int i = 0; i < count; i++)
                places.Add(variables[i].Name, i);
        }
    }

    public bool TryGet(string name, out object value)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            int place = scope.PlaceOf(name);
            if (place < 0)
                continue;
            value = scope.variables[place].Value;
            return true;
        }

        value = PyNone.Value;
        return false;
    }

    private int PlaceOf(string name)
    {
        if (places is not null)
            return places.TryGetValue(name, out int place) ? place : -1;
        for (int i = 0; i < count; i++)
            if (ReferenceEquals(variables[i].Name, name) || variables[i].Name == name)
                return i;
        return -1;
    }
}
