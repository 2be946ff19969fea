using System.Text;
using Kotonoha.Readers.Pdf;

namespace Kotonoha.Readers.Tests;

public class PdfReaderTests
{
    private static async Task<ExtractedDocument> Read(byte[] content, string name = "test.pdf")
        => await DocumentReaders.InProcess.ReadAsync(content, name);

    private static Task<ExtractedDocument> Read(params Drawn[][] pages) => Read(TestPdf.Write(pages));

    /// <summary>A text as it stands on paper: each character at its place, from left to right.</summary>
    private static Drawn Unicode(double x, double y, string visual, string font = "F2") => new(x, y, 12, visual) { Font = font };

    /// <summary>The same, its right edge at a place.</summary>
    private static Drawn UnicodeToLeft(double right, double y, string visual)
        => Unicode(right - (visual.Length * 12 * TestPdf.UnicodeWidth / 1000.0), y, visual);

    private static string Reversed(string text) => new([.. text.Reverse()]);

    [Fact]
    public async Task Pages_headings_paragraphs_and_tables_are_found()
    {
        var document = await Read(
            [
                new(72, 760, 20, "A short guide"),
                new(72, 720, 11, "This is the first paragraph of the guide, and it is long enough to be bro-"),
                new(72, 706, 11, "ken at the end of its first line. A well-known compound may be a well-"),
                new(72, 692, 11, "known one here too."),
                new(72, 664, 11, "A second paragraph stands here (with brackets)."),
                new(72, 630, 11, "Name"), new(250, 630, 11, "Price"),
                new(72, 600, 11, "Seed"), new(250, 600, 11, "0 yen"),
                new(72, 570, 11, "Sprout"), new(250, 570, 11, "48,000 yen"),
            ],
            [new(72, 760, 15, "Next chapter"), new(72, 730, 11, "The text of page two.")]);
        Assert.Equal(
            """
            A short guide

            This is the first paragraph of the guide, and it is long enough to be broken at the end of its first line. A well-known compound may be a well-known one here too.

            A second paragraph stands here (with brackets).

            Name | Price
            Seed | 0 yen
            Sprout | 48,000 yen

            Next chapter

            The text of page two.
            """,
            document.Text);
        Assert.Equal([1, 1, 1, 1, 2, 2], document.Blocks.Select(b => b.Page));
        Assert.Equal("A short guide › Next chapter", document.Blocks[^1].HeadingPath);
        Assert.Equal(BlockKind.Table, document.Blocks[3].Kind);
        Assert.Equal("A short guide", document.Title);
        Assert.Empty(document.Remarks);
    }

    [Fact]
    public async Task Japanese_lines_are_joined_without_spaces()
    {
        var document = await Read([Unicode(50, 700, "梅雨は初夏の雨期であり、北海道を除く"), Unicode(50, 684, "日本各地でGPTとBERTのように見られる。")]);
        Assert.Equal("梅雨は初夏の雨期であり、北海道を除く日本各地でGPTとBERTのように見られる。", document.Text);
    }

    [Fact]
    public async Task Japanese_written_downwards_is_read_column_by_column_from_the_right()
    {
        // Upright glyphs, one below the other.
        var columns = new[] { "吾輩は猫である。名前はまだ無い。どこで生", "れたかとんと見当がつかぬ。" };
        var drawn = columns.SelectMany((column, c)
            => column.Select((character, i) => Unicode(500 - (c * 24), 760 - (i * 12), character.ToString())));
        Assert.Equal("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。", (await Read([.. drawn])).Text);
    }

    [Theory]
    [InlineData("המחיר הוא עשרים שקלים ליום בלבד")]
    [InlineData("הספרים נמצאים על המדפים")]
    [InlineData("المدرسة الكبيرة قريبة من المكتبة")]
    public async Task Words_from_right_to_left_are_read_in_logical_order_however_they_are_stored(string logical)
    {
        // In visual order, as word processors store them; one character after the other from the right; and as a faulty program sets them.
        var visual = UnicodeToLeft(500, 700, Reversed(logical));
        var fromTheRight = logical.Select((character, i)
            => UnicodeToLeft(500 - (i * 12 * TestPdf.UnicodeWidth / 1000.0), 700, character.ToString()));
        Assert.Equal(logical, (await Read([visual])).Text);
        Assert.Equal(logical, (await Read([.. fromTheRight])).Text);
        Assert.Equal(logical, (await Read([Unicode(72, 700, logical)])).Text);
    }

    [Theory]
    [InlineData("ב-15 במאי נפתחת ההרשמה לקורס Semantic Kernel 2.0 (בעברית)", "(תירבעב) Semantic Kernel 2.0 סרוקל המשרהה תחתפנ יאמב 15-ב")]
    [InlineData("המחיר הוא 1,250.50 ₪ ולא 17% יותר", "רתוי 17% אלו ₪ 1,250.50 אוה ריחמה")]
    [InlineData("פתוח מ-9:30 עד 18:00 בכל יום", "םוי לכב 18:00 דע 9:30-מ חותפ")]
    [InlineData("السعر 25.50 دينارا (شامل الضريبة 17%) لكل قارئ", "ئراق لكل (%17 ةبيرضلا لماش) ارانيد 25.50 رعسلا")]
    public async Task Numbers_and_other_scripts_keep_their_order_in_text_from_right_to_left(string logical, string visual)
        => Assert.Equal(logical, (await Read([UnicodeToLeft(560, 700, visual)])).Text);

    [Fact]
    public async Task Words_from_right_to_left_inside_other_text_are_turned_where_they_stand()
        => Assert.Equal(
            "The word שלום עולם means hello (ספר a book).",
            (await Read([Unicode(72, 700, "The word " + Reversed("שלום עולם") + " means hello (" + Reversed("ספר") + " a book).")])).Text);

    [Fact]
    public async Task Presentation_forms_and_ligatures_become_letters()
        => Assert.Equal("The office file: السلام",
            (await Read([Unicode(72, 700, "The o\uFB03ce \uFB01le: " + "\uFEE1\uFEFC\uFEB4\uFEDF\uFE8D")])).Text);

    [Fact]
    public async Task Words_cut_at_a_line_end_are_whole_again()
    {
        var document = await Read([Unicode(72, 700, "The file is kept in the de\u00AD"),
            Unicode(72, 686, "partment of floods and hydro\u2010"), Unicode(72, 672, "logy, near the sea.")]);
        Assert.Equal("The file is kept in the department of floods and hydrology, near the sea.", document.Text);
    }

    [Fact]
    public async Task A_sentence_that_goes_over_a_page_border_is_one_and_running_lines_are_left_out()
    {
        static Drawn[] Page(int number, params Drawn[] text)
            => [new(72, 805, 9, "Plant manual"), new(460, 805, 9, "Revision 7"), .. text, new(280, 36, 9, $"Page {number} of 3")];
        var document = await Read(
            Page(1, [.. TestPdf.Lines(72, 720, 11, 14, "The maintenance team replaces the filter of the pump",
                "every six weeks, and the replacement is recorded in the"), new(72, 120, 8, "1 A footnote about pumps.")]),
            Page(2, TestPdf.Lines(72, 720, 11, 14, "blue log book that hangs beside the main door.",
                "The log book is checked by the exam-")),
            Page(3, TestPdf.Lines(72, 720, 11, 14, "iner in charge.")));
        Assert.Equal(
            "The maintenance team replaces the filter of the pump every six weeks, and the replacement is recorded in the blue log book "
                + "that hangs beside the main door. "
            + "The log book is checked by the examiner in charge.\n\n1 A footnote about pumps.",
            document.Text);
        Assert.Equal(1, document.Blocks[0].Page);
    }

    [Fact]
    public async Task A_full_line_goes_on_over_the_border_also_before_a_capital_or_without_capitals()
    {
        string[] japanese = ["水泵の保守班は六週間ごとに濾過器を交換し、交換の日付と担当者を", "記録する。記録は主任が毎月確認し、三年のあいだ保管する。濾過器", "の型番は、保守班の部屋にある台帳に書いてある。台帳を見るときは"];
        var document = await Read([.. japanese.Select((line, i) => Unicode(72, 700 - (i * 20), line))], [Unicode(72, 760, "主任に声をかける。")]);
        Assert.Equal(string.Concat(japanese) + "主任に声をかける。", document.Text);

        document = await Read(
            TestPdf.Lines(72, 700, 11, 14, "The pumps were built by the workshop in the harbour and are",
                "repaired there as well, since nobody else has the spare parts",
                "for them. Whoever needs such a part writes to the director Mr"),
            TestPdf.Lines(72, 760, 11, 14, "Tanaka, who answers within a week."));
        Assert.EndsWith("writes to the director Mr Tanaka, who answers within a week.", document.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Running_lines_may_name_the_chapter_and_skip_the_first_page()
    {
        string[] chapters = ["", "Seals", "Seals", "Valves", "Valves"];
        var document = await Read([.. chapters.Select(Page)]);
        Assert.Equal("Text of part A.\n\nText of part B.\n\nText of part C.\n\nText of part D.\n\nText of part E.", document.Text);

        static Drawn[] Page(string chapter, int i)
        {
            Drawn[] header = chapter.Length == 0 ? [] : [new(72, 810, 9, "Handbook of Pumps"), new(490, 810, 9, chapter)];
            return [.. header, new(72, 750, 11, $"Text of part {(char)('A' + i)}."), new(290, 40, 9, $"- {i + 1} -")];
        }
    }

    [Fact]
    public async Task Headings_with_a_number_at_the_same_place_of_each_page_are_no_running_lines()
    {
        string[] steps = ["Open the valve.", "Close the lid.", "Start the pump.", "Read the gauge."];
        var document = await Read([.. steps.Select((step, i)
            => new Drawn[] { new(72, 780, 18, $"Step {i + 1}"), new(72, 750, 11, step) })]);
        Assert.Equal(string.Join("\n\n", steps.Select((step, i) => $"Step {i + 1}\n\n{step}")), document.Text);
    }

    [Fact]
    public async Task Short_columns_are_read_one_after_the_other()
    {
        var document = await Read(
            [
                new(60, 780, 16, "Notice board"),
                .. TestPdf.Lines(60, 740, 10, 12, "The swimming pool opens", "at seven in the morning", "and closes at nine."),
                .. TestPdf.Lines(230, 740, 10, 12, "Parking is free for", "residents of Garden", "Street."),
                .. TestPdf.Lines(400, 740, 10, 12, "Dogs must be kept", "on a lead in the", "park at all times."),
            ]);
        Assert.Equal(
            "Notice board\n\nThe swimming pool opens at seven in the morning and closes at nine.\n\nParking is free for residents of "
                + "Garden Street.\n\nDogs must be kept on a lead in the park at all times.",
            document.Text);
    }

    [Fact]
    public async Task Columns_whose_lines_do_not_stand_beside_each_other_are_columns()
    {
        var document = await Read(
            [
                .. TestPdf.Lines(60, 735, 10, 14, "Inference has two phases. In the first", "the model reads the whole prompt, and",
                    "in the second it writes one token at a", "time, which is limited by"),
                .. TestPdf.Lines(310, 742, 10, 14, "the bandwidth of the memory. A rule of", "thumb follows from this fact.",
                    "It is given below."),
                new Drawn(60, 640, 10,
                    "A line over the whole width of the page follows the two columns, and it belongs to none of them at all."),
            ]);
        Assert.StartsWith("Inference has two phases.", document.Text, StringComparison.Ordinal);
        Assert.Contains("which is limited by the bandwidth of the memory. A rule of thumb follows from this fact.", document.Text,
            StringComparison.Ordinal);
        Assert.EndsWith("belongs to none of them at all.", document.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(document.Blocks, block => block.Kind == BlockKind.Table);
    }

    [Fact]
    public async Task Tables_remain_tables_with_tight_rows_missing_cells_and_cells_of_several_lines()
    {
        string[][] rows = [["Room", "Seats", "Projector"], ["Aurora", "12", "yes"], ["Borealis", "30", "no"], ["Corona", "8", "yes"]];
        var tight = rows.SelectMany((row, r) => row.Select((cell, c) => new Drawn(60 + (120 * c), 760 - (12 * r), 10, cell)));
        var labels = new Drawn[]
        {
            new Drawn(60, 600, 10, "Password"), new Drawn(160, 600, 10, "must have at least twelve characters and"),
                new Drawn(160, 588, 10, "is changed every ninety days"),
            new Drawn(60, 570, 10, "Badge"), new Drawn(160, 570, 10, "is worn visibly at all times inside the"),
                new Drawn(160, 558, 10, "building"),
            new Drawn(60, 540, 10, "Visitors"), new Drawn(160, 540, 10, "sign in at reception and are"),
                new Drawn(160, 528, 10, "accompanied by a member of staff"),
        };
        string[][] tools = [["Tool", "Place"], ["ladder", "in the shed"], ["paint", "on the shelf"], ["ropes", "behind the door"]];
        var phrases = tools.SelectMany((row, r) => row.Select((cell, c) => new Drawn(60 + (120 * c), 450 - (12 * r), 10, cell)));
        var document = await Read([.. tight, .. labels, .. phrases]);
        Assert.Equal(
            """
            Room | Seats | Projector
            Aurora | 12 | yes
            Borealis | 30 | no
            Corona | 8 | yes

            Password | must have at least twelve characters and is changed every ninety days
            Badge | is worn visibly at all times inside the building
            Visitors | sign in at reception and are accompanied by a member of staff

            Tool | Place
            ladder | in the shed
            paint | on the shelf
            ropes | behind the door
            """,
            document.Text);
        Assert.All(document.Blocks, block => Assert.Equal(BlockKind.Table, block.Kind));
    }

    [Fact]
    public async Task Forms_are_lines_with_one_label_a_row_or_two()
    {
        string[][] two = [["Applicant", "Noor Visser", "Phone", "4471"], ["Department", "Harbour", "Date", "2026-05-01"],
            ["Address", "Pier 4", "City", "Oslo"]];
        string[][] one = [["Item", "ladder"], ["Quantity", "3"], ["Location", "shed"]];
        Drawn[] drawn = [.. two.SelectMany((row, r) => row.Select((cell, c) => new Drawn(60 + (120 * c), 760 - (14 * r), 10, cell))),
            .. one.SelectMany((row, r) => row.Select((cell, c) => new Drawn(60 + (120 * c), 600 - (14 * r), 10, cell)))];
        Assert.Equal(
            """
            Applicant: Noor Visser
            Phone: 4471
            Department: Harbour
            Date: 2026-05-01
            Address: Pier 4
            City: Oslo

            Item: ladder
            Quantity: 3
            Location: shed
            """,
            (await Read(drawn)).Text);
    }

    [Fact]
    public async Task A_ruled_grid_is_a_table_whatever_its_cells_hold()
    {
        string[] lines = [.. new[] { 60, 180, 320, 500 }.Select(x => $"{x} 790 m {x} 720 l S"),
            .. new[] { 790, 770, 740, 720 }.Select(y => $"60 {y} m 500 {y} l S")];
        var document = await Read(TestPdf.Write(
            [
                [
                    new(64, 777, 10, "Service"), new(184, 777, 10, "Fee"), new(324, 777, 10, "Remark"),
                    new(64, 757, 10, "Late return"), new(184, 757, 10, "2 euros"), new(324, 757, 10, "per day, up to a maximum"),
                        new(324, 746, 10, "of twenty euros"),
                    new(64, 727, 10, "Lost card"), new(184, 727, 10, "5 euros"),
                ],
            ],
            string.Join('\n', lines)));
        Assert.Equal("Service | Fee | Remark\nLate return | 2 euros | per day, up to a maximum of twenty euros\nLost card | 5 euros | ",
            document.Text);
    }

    [Fact]
    public async Task Pages_without_text_are_noted_and_the_rest_is_read()
    {
        var document = await Read([new(72, 700, 11, "Page one.")], [new(72, 700, 11, "Page two.")], [], [new(72, 700, 11, "Page four.")],
            [], []);
        Assert.Equal("Page one.\n\nPage two.\n\nPage four.", document.Text);
        Assert.Equal([1, 2, 4], document.Blocks.Select(block => block.Page));
        Assert.StartsWith("pages 3, 5–6 have no text", Assert.Single(document.Remarks), StringComparison.Ordinal);

        document = await Read(TestPdf.Write([[new(72, 700, 11, "Page one.")], []], "0 0 595 842 re f"));
        Assert.Equal("page 2 has no text (a scanned image?)", Assert.Single(document.Remarks));
    }

    [Fact]
    public async Task Text_whose_font_does_not_say_what_it_means_is_noted_and_left_out()
    {
        var document = await Read([new(72, 700, 11, "Readable."), Unicode(72, 650, "Not readable", "F3")]);
        Assert.Equal("Readable.", document.Text);
        Assert.Contains("'Mute'", Assert.Single(document.Remarks), StringComparison.Ordinal);

        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => Read([Unicode(72, 650, "Not readable", "F3")]));
        Assert.Contains("text recognition", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1 beginbfrange <00000000> <FFFFFFFF> <0000> endbfrange", true)]
    [InlineData("1 beginbfrange <9223372036854775807> <FFFF> <0000> endbfrange", true)]
    [InlineData("1 begincidrange\n<0000>\n<FFFFFFFE> 7 endcidrange", true)]
    [InlineData("2 beginbfrange <00><01><0041><02> <7FFFFFFF> [<0041>] endbfrange", true)]
    [InlineData("2 beginbfrange <0000> <FFFF> <D83DDE00> <0001> <0002> [<D83DDE00> <D83DDE01>] endbfrange", false)]
    [InlineData("1 begincidrange <0000> <FFFF> 0 endcidrange beginbfchar <00000000> <FFFFFFFF> endbfchar", false)]
    [InlineData("1 beginbfrange <00016384> <FFFF> <0000> endbfrange", true)]
    [InlineData("1 beginbfrange <0000> <FF", false)]
    [InlineData("beginbfrange", false)]
    [InlineData("beginbfrange <> <> [ <", false)]
    public void A_font_that_maps_more_codes_than_there_are_characters_is_left_out(string map, bool isEndless)
    {
        var bytes = Encoding.ASCII.GetBytes(map);
        Assert.Equal(isEndless, EndlessRanges.Has(bytes, "beginbfrange"u8) || EndlessRanges.Has(bytes, "begincidrange"u8));
    }

    [Theory]
    [InlineData("<9223372036854775807> <FFFF> <0000>", false)]
    [InlineData("<9223372036854775807> <FFFF> <0000>", true)]
    [InlineData("<00000000> <FFFFFFFF> <0000>", false)]
    [InlineData("<00000000> <FFFFFFFF> <0000>", true)]
    [InlineData("<00016384> <FFFF> <0000>", false)]
    [InlineData("<0041> <0010> <0000>", true)]
    [InlineData("<00> <FFFF> <0000>", false)]
    public async Task A_page_with_an_endless_table_of_characters_is_read_to_its_end(string range, bool isPacked)
        => Assert.Contains("Plain words", (await Read(HostilePdfs.EndlessCharacterTable(range, isPacked))).Text, StringComparison.Ordinal);

    [Fact]
    public async Task A_pdf_without_text_and_a_file_that_is_no_pdf_are_typed_errors()
    {
        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => Read([], []));
        Assert.Equal("'test.pdf' has 2 pages but no text in them (scanned images?); "
            + "read it with text recognition ('--ocr', DocumentReaders.WithTextRecognition).", error.Message);
        await Assert.ThrowsAsync<DocumentFormatException>(() => Read(Encoding.ASCII.GetBytes("no pdf at all")));
        await Assert.ThrowsAsync<DocumentFormatException>(() => Read(HostilePdfs.CyclicPageTree()));
        await Assert.ThrowsAsync<DocumentFormatException>(() => Read(HostilePdfs.CyclicCrossReferences()));
    }

    [Fact]
    public async Task An_encrypted_file_opens_without_a_password_or_is_a_typed_error()
    {
        Assert.Equal("A locked page.", (await Read(Fixture("encrypted-empty-password.pdf"))).Text);
        var error = await Assert.ThrowsAsync<DocumentFormatException>(() => Read(Fixture("encrypted.pdf")));
        Assert.Contains("password", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Superscripts_belong_to_their_line_and_letters_drawn_twice_are_one()
    {
        var document = await Read(
            [
                new Drawn(72, 700, 11, "The loss is A/N"), new Drawn(146.2, 704, 7, "2"), new Drawn(153.5, 700, 11, "in all, and grows."),
                new Drawn(72, 660, 11, "Bold"), new Drawn(72.3, 660, 11, "Bold"),
            ]);
        Assert.Equal("The loss is A/N2 in all, and grows.\n\nBold", document.Text);
    }

    private static byte[] Fixture(string name) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Fixtures", name));
}
