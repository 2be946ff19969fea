using Markdig;
using Markdig.Extensions.Mathematics;
using Markdig.Helpers;
using Markdig.Parsers;
using Markdig.Parsers.Inlines;
using Markdig.Renderers;
using Markdig.Renderers.Html;
using Markdig.Syntax.Inlines;

namespace Kotonoha.Readers;

/// <summary>Leaves formulas in Markdown as they are written: <c>$…$</c>, <c>$$…$$</c>, and <c>\(…\)</c> and <c>\[…\]</c> around what looks
/// like one; and the asterisks of <c>2*3*4</c>, which would make another number as emphasis.</summary>
internal sealed class VerbatimMath : IMarkdownExtension
{
    public void Setup(MarkdownPipelineBuilder pipeline)
    {
        if (!pipeline.InlineParsers.Contains<BracketedMathParser>())
        {
            pipeline.InlineParsers.InsertBefore<EscapeInlineParser>(new BracketedMathParser());
            pipeline.InlineParsers.InsertBefore<EmphasisInlineParser>(new TimesParser());
        }
    }

    public void Setup(MarkdownPipeline pipeline, IMarkdownRenderer renderer)
    {
        if (renderer is not HtmlRenderer html)
            return;
        html.ObjectRenderers.ReplaceOrAdd<HtmlMathInlineRenderer>(new InlineRenderer());
        html.ObjectRenderers.ReplaceOrAdd<HtmlMathBlockRenderer>(new BlockRenderer());
    }

    private sealed class InlineRenderer : HtmlObjectRenderer<MathInline>
    {
        protected override void Write(HtmlRenderer renderer, MathInline obj)
        {
            var delimiter = new string(obj.Delimiter, obj.DelimiterCount);
            renderer.WriteEscape(delimiter).WriteEscape(ref obj.Content).WriteEscape(delimiter);
        }
    }

    private sealed class BlockRenderer : HtmlObjectRenderer<MathBlock>
    {
        protected override void Write(HtmlRenderer renderer, MathBlock obj)
        {
            renderer.Write("<p>$$");
            for (int i = 0; i < obj.Lines.Count; i++)
                renderer.Write("<br>").WriteEscape(ref obj.Lines.Lines[i].Slice);
            renderer.WriteLine("<br>$$</p>");
        }
    }

    private sealed class TimesParser : InlineParser
    {
        internal TimesParser() => OpeningCharacters = ['*'];

        public override bool Match(InlineProcessor processor, ref StringSlice slice)
        {
            char before = slice.PeekCharExtra(-1), after = slice.PeekChar();
            if (!(char.IsAsciiDigit(before) || char.IsAsciiDigit(after)) || !char.IsAsciiLetterOrDigit(before)
                || !char.IsAsciiLetterOrDigit(after))
                return false;
            processor.Inline = new LiteralInline("*");
            slice.SkipChar();
            return true;
        }
    }

    /// <summary>Takes a formula between escaped brackets as text; other escaped brackets are brackets.</summary>
    private sealed class BracketedMathParser : InlineParser
    {
        private const int MaxLength = 4096;

        internal BracketedMathParser() => OpeningCharacters = ['\\'];

        public override bool Match(InlineProcessor processor, ref StringSlice slice)
        {
            char open = slice.PeekChar();
            if (open is not ('(' or '['))
                return false;
            char close = open == '(' ? ')' : ']';
            bool formula = false;
            for (int i = slice.Start + 2; i < Math.Min(slice.End, slice.Start + MaxLength); i++)
            {
                char c = slice.Text[i];
                if (c == '\\' && slice.Text[i + 1] == close)
                {
                    if (!formula)
                        return false;
                    var whole = new StringSlice(slice.Text, slice.Start, i + 1);
                    processor.Inline = new LiteralInline { Content = whole };
                    slice.Start = i + 2;
                    return true;
                }

                formula |= c is '^' or '_' or '=' or '{' || (c == '\\' && char.IsAsciiLetter(slice.Text[i + 1]));
            }

            return false;
        }
    }
}
